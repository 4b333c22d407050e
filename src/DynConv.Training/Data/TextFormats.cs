namespace DynConv.Training.Data;

/// <summary>The names that <see cref="TextFormat"/> has in options and in files of settings.</summary>
public static class TextFormats
{
    private static readonly (string Name, TextFormat Format)[] All =
    [
        ("auto", TextFormat.Auto), ("text", TextFormat.Text), ("jsonl", TextFormat.JsonLines), ("json", TextFormat.Json),
        ("parquet", TextFormat.Parquet),
    ];

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(static one => one.Name)];

    /// <summary>The format of a name.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="DynConvException">There is no such format.</exception>
    public static TextFormat Parse(string name)
    {
        int index = Array.FindIndex(All, one => one.Name == name);
        return index >= 0
            ? All[index].Format
            : throw new DynConvException($"There is no format of text '{name}'; there are {string.Join(", ", Names)}.");
    }
}
