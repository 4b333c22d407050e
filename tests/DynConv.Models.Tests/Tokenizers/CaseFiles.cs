using System.Text.Json;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary>Tokenizers, texts for them, and the ids that Hugging Face's library gives.</summary>
internal static class CaseFiles
{
    private static readonly string Folder = System.IO.Path.Combine(AppContext.BaseDirectory, "Tokenizers", "cases");

    public static IEnumerable<string> Names => Directory.GetFiles(Folder, "*.json").Select(System.IO.Path.GetFileName).Order(StringComparer.Ordinal)!;

    public static string[] Texts { get => field ??= [.. File.ReadAllLines(Path("probes.jsonl")).Select(static line => JsonSerializer.Deserialize<string>(line)!)]; }

    public static string Path(string name) => System.IO.Path.Combine(Folder, name);

    public static int[][] Expected(string name) =>
        [.. File.ReadAllLines(System.IO.Path.ChangeExtension(Path(name), ".expected")).Select(static line => JsonSerializer.Deserialize<int[]>(line)!)];
}
