using System.Text.Json;

namespace DynConv.Cli.Commands;

/// <summary>How results are written as JSON.</summary>
internal static class JsonOutput
{
    public static JsonSerializerOptions Options { get; } = new() { WriteIndented = true };
}
