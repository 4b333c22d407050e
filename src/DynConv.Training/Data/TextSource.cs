using System.Collections.Frozen;
using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>
/// The text files below a list of paths, in an order that depends on their names alone. A <c>.jsonl</c> file holds one
/// document a line, in its <c>text</c> field; any other file is one document. Each may be packed as <c>.gz</c>.
/// </summary>
/// <remarks>
/// A file that is named is read whatever it is called. In a folder, and in the folders in it, files count whose
/// extension is one of text; hidden files and folders, <c>bin</c> and <c>obj</c>, and links to folders do not. Empty and
/// binary files are skipped in a folder and refused when named.
/// </remarks>
public sealed class TextSource
{
    private static readonly FrozenSet<string> TextExtensions = FrozenSet.Create(
        StringComparer.Ordinal,
        ".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".tex", ".jsonl", ".json", ".yaml", ".yml", ".toml", ".ini",
        ".xml", ".html", ".htm", ".css", ".csv", ".tsv", ".srt", ".cs", ".csproj", ".props", ".targets", ".slnx", ".fs", ".vb",
        ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cu", ".cuh", ".m", ".py", ".pyi", ".js", ".mjs", ".jsx", ".ts", ".tsx",
        ".java", ".kt", ".scala", ".go", ".rs", ".rb", ".php", ".pl", ".lua", ".swift", ".r", ".jl", ".hs", ".ml", ".clj",
        ".ex", ".erl", ".dart", ".zig", ".sql", ".sh", ".bash", ".ps1", ".bat", ".cmake", ".proto", ".graphql", ".vue");

    private static readonly FrozenSet<string> BuildFolders =
        FrozenSet.Create(StringComparer.OrdinalIgnoreCase, "bin", "obj", "node_modules");

    private readonly IReadOnlyList<string> _paths;

    private TextSource(IReadOnlyList<string> paths, IReadOnlyList<TextFile> files)
    {
        _paths = paths;
        Files = files;
    }

    /// <summary>The files, in the order in which they are read.</summary>
    public IReadOnlyList<TextFile> Files { get; }

    /// <summary>Their length on disk together.</summary>
    public long Bytes => Files.Sum(file => file.Bytes);

    /// <summary>Finds the text files of files and folders.</summary>
    /// <param name="paths">At least one file or folder. Their order is kept; in a folder the order is that of the relative paths.</param>
    /// <param name="except">Files and folders that are left out, such as the run's own output or the validation text.</param>
    /// <exception cref="DynConvException">A path is missing or unreadable, a named file is empty, or there is no text file.</exception>
    public static TextSource Find(IReadOnlyList<string> paths, IReadOnlyList<string>? except = null)
    {
        var files = new List<TextFile>();
        var anything = false;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        string[] excluded = [.. (except ?? []).Select(Full)];
        foreach (string path in paths)
        {
            List<TextFile> found = Directory.Exists(path) ? InFolder(path, excluded) : [Named(path)];
            anything |= found.Count > 0;
            files.AddRange(found.Where(file => !IsExcluded(Full(file.Name), excluded) && seen.Add(Full(file.Name))));
        }

        var source = new TextSource(paths, files);
        return files.Count > 0 ? source
            : anything ? throw new DynConvException(
                $"No text of {string.Join(", ", paths)} is left: all of it is validation text or the run's own.")
            : throw source.NoText();
    }

    /// <summary>The documents, one after the other; large ones come in pieces. Each is the caller's to keep.</summary>
    /// <exception cref="DynConvException">A file is unreadable, binary or malformed.</exception>
    public IEnumerable<ReadOnlyMemory<byte>> ReadDocuments()
    {
        var reader = new TextBatchReader(this, static () => new TextBatch(), new ByteTokenizer());
        foreach (TextPiece piece in reader.ReadPieces())
        {
            yield return piece.Text.ToArray();
        }
    }

    /// <summary>Whether the user named this very file rather than a folder above it.</summary>
    internal bool IsNamed(TextFile file) => _paths.Contains(file.Name);

    /// <summary>What to throw when nothing in the files is text.</summary>
    internal DynConvException NoText() => new(_paths.Count == 0
        ? "No data was given: name at least one text file or folder."
        : $"There is no text in {string.Join(", ", _paths)}: hidden, empty and binary files and those of other types do not count.");

    private static TextFile Named(string path)
    {
        var info = new FileInfo(path);
        if (!info.Exists)
        {
            throw new DynConvException($"There is no file or folder {path}.");
        }

        return info.Length > 0 ? Describe(path, info) : throw new DynConvException($"{path} is empty.");
    }

    private static List<TextFile> InFolder(string root, string[] excluded)
    {
        var files = new List<TextFile>();
        try
        {
            Walk(new DirectoryInfo(root), root, excluded, files);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{root} cannot be read: {exception.Message}", exception);
        }

        return [.. files.OrderBy(file => file.Name, StringComparer.Ordinal)];
    }

    private static void Walk(DirectoryInfo folder, string name, string[] excluded, List<TextFile> files)
    {
        foreach (FileSystemInfo entry in folder.EnumerateFileSystemInfos())
        {
            if (entry.Name.StartsWith('.') || entry.Attributes.HasFlag(FileAttributes.Hidden))
            {
                continue;
            }

            string entryName = Path.EndsInDirectorySeparator(name) ? name + entry.Name : $"{name}/{entry.Name}";
            if (entry is FileInfo file)
            {
                Add(entryName, file, files);
            }
            else if (!BuildFolders.Contains(entry.Name) && entry.LinkTarget is null && !IsExcluded(Full(entryName), excluded))
            {
                Walk((DirectoryInfo)entry, entryName, excluded, files);
            }
        }
    }

    private static void Add(string name, FileInfo info, List<TextFile> files)
    {
        TextFile file = Describe(name, info);
        if (TextExtensions.Contains(file.Extension) && info.Exists && info.Length > 0)
        {
            files.Add(file);
        }
    }

    private static TextFile Describe(string name, FileInfo info)
    {
        // A link's own length and time say nothing about the text behind it.
        FileInfo target = info.LinkTarget is not null && info.ResolveLinkTarget(true) is FileInfo final ? final : info;
        return new TextFile(name, target.Exists ? target.Length : 0, target.LastWriteTimeUtc);
    }

    private static string Full(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    private static bool IsExcluded(string full, string[] excluded) => Array.Exists(
        excluded,
        path => full.StartsWith(path, StringComparison.Ordinal) &&
            (full.Length == path.Length || full[path.Length] == Path.DirectorySeparatorChar));
}
