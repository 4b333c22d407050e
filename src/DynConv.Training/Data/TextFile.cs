namespace DynConv.Training.Data;

/// <summary>A file that text is read from.</summary>
/// <param name="Name">The path as it was given, or the folder as it was given and the path below it with forward slashes.</param>
/// <param name="Bytes">Length on disk.</param>
/// <param name="Modified">When it was last written, in universal time.</param>
public sealed record TextFile(string Name, long Bytes, DateTime Modified)
{
    private const string CompressedExtension = ".gz";
    private const string JsonLinesExtension = ".jsonl";

    /// <summary>The path without the <c>.gz</c>: its extension says what the text is.</summary>
    private string Plain => IsCompressed ? Name[..^CompressedExtension.Length] : Name;

    internal bool IsCompressed => Name.EndsWith(CompressedExtension, StringComparison.OrdinalIgnoreCase);

    internal bool IsJsonLines => Plain.EndsWith(JsonLinesExtension, StringComparison.OrdinalIgnoreCase);

    /// <summary>The extension in lower case, that of the packed file if it is packed.</summary>
    internal string Extension => Path.GetExtension(Plain).ToLowerInvariant();
}
