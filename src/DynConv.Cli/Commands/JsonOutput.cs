using System.Text.Json;
using DynConv.Serialization;

namespace DynConv.Cli.Commands;

/// <summary>Writes results as JSON where <c>--json</c> asks for it.</summary>
internal static class JsonOutput
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static void Write<TRow>(string? path, IReadOnlyList<TRow> rows)
    {
        if (path is not null)
        {
            AtomicFile.WriteAllText(path, JsonSerializer.Serialize(rows, Indented) + "\n");
        }
    }
}
