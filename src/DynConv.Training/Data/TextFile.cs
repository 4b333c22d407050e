namespace DynConv.Training.Data;

/// <summary>A file, or a pipe, that text is read from.</summary>
/// <param name="Name">The path as it was given, or the folder as it was given and the path below it with forward slashes.</param>
/// <param name="FullName">The same file from any working directory.</param>
/// <param name="Bytes">Length on disk; 0 for a pipe.</param>
/// <param name="Modified">When it was last written, in universal time; the same for all pipes.</param>
/// <param name="IsPipe">Whether it can be read only once: standard input, a named pipe, what the shell makes of <c>&lt;(…)</c>.</param>
public sealed record TextFile(string Name, string FullName, long Bytes, DateTime Modified, bool IsPipe = false)
{
    /// <summary>What stands for standard input in a list of paths.</summary>
    public const string StandardInput = "-";

    private static readonly string[] StandardInputs = [StandardInput, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

    internal bool IsStandardInput => IsPipe && StandardInputs.Contains(FullName);

    /// <summary>The name without what says that it is packed.</summary>
    private string Plain => HasExtension(Name, ".gz") || HasExtension(Name, ".zst") ? Path.ChangeExtension(Name, null) : Name;

    /// <summary>Whether the name promises JSON Lines.</summary>
    internal bool IsNamedJsonLines => HasExtension(Plain, ".jsonl") || HasExtension(Plain, ".ndjson");

    /// <summary>The kind of packing that the name promises.</summary>
    internal Packing NamedPacking => HasExtension(Name, ".gz") ? Packing.Gzip : HasExtension(Name, ".zst") ? Packing.Zstandard : Packing.None;

    /// <summary>Whether another record is of the same file in the same state. A pipe counts as the same by its name.</summary>
    internal bool IsSame(TextFile other) =>
        FullName == other.FullName && Bytes == other.Bytes && Modified == other.Modified && IsPipe == other.IsPipe;

    private static bool HasExtension(string name, string extension) => name.EndsWith(extension, StringComparison.OrdinalIgnoreCase);
}

/// <summary>What a file is packed with.</summary>
internal enum Packing
{
    None,
    Gzip,
    Zstandard,
}
