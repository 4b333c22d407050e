using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>
/// The text files below a list of paths, in an order that depends on their names alone. What a file holds is decided by
/// its content, whatever it is called: see <see cref="TextFormat"/>.
/// </summary>
/// <remarks>
/// A file that is named is read or refused. What lies in a folder, and in the folders in it, is read if it is text, and
/// is otherwise among <see cref="LeftOut"/>: binary and empty files, hidden ones, <c>bin</c> and <c>obj</c>, links to
/// folders and links that lead nowhere, pipes and devices. <c>-</c> is standard input.
/// </remarks>
public sealed class TextSource
{
    private readonly IReadOnlyList<string> _paths;

    private TextSource(IReadOnlyList<string> paths, TextOptions options, IReadOnlyList<TextFile> files, IReadOnlyList<LeftOutFile> leftOut)
    {
        _paths = paths;
        Options = options;
        Files = files;
        LeftOut = leftOut;
    }

    /// <summary>How the files are read.</summary>
    public TextOptions Options { get; }

    /// <summary>The files, in the order in which they are read.</summary>
    public IReadOnlyList<TextFile> Files { get; }

    /// <summary>What the folders hold beside them.</summary>
    public IReadOnlyList<LeftOutFile> LeftOut { get; }

    /// <summary>Their length on disk together, as far as it is known.</summary>
    public long Bytes => Files.Sum(file => file.Bytes);

    /// <summary>The paths that it was made of, good from any working directory.</summary>
    internal IReadOnlyList<string> FullPaths => [.. _paths.Select(static path => path == TextFile.StandardInput ? path : FolderWalk.Full(path))];

    /// <summary>Finds the text files of files and folders.</summary>
    /// <param name="paths">At least one file or folder. Their order is kept; in a folder the order is that of the relative paths.</param>
    /// <param name="except">Files and folders that are left out, such as the run's own output or the validation text.</param>
    /// <param name="options">How the files are read; by their content if not given.</param>
    /// <exception cref="DynConvException">A path is missing or unreadable, a named file is empty, or there is no text file.</exception>
    public static TextSource Find(IReadOnlyList<string> paths, IReadOnlyList<string>? except = null, TextOptions? options = null)
    {
        options = (options ?? new TextOptions()).Checked();
        var files = new List<TextFile>();
        var walk = new FolderWalk([.. (except ?? []).Select(FolderWalk.Full)], options);
        var anything = false;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string path in paths)
        {
            if (string.IsNullOrWhiteSpace(path))
            {
                throw new DynConvException("A path of text is empty; give a file or a folder.");
            }

            IReadOnlyList<TextFile> found = path != TextFile.StandardInput && Directory.Exists(path) ? walk.Find(path) : [Named(path)];
            anything |= found.Count > 0;
            files.AddRange(found.Where(file => !walk.IsExcluded(file.FullName) && seen.Add(file.FullName)));
        }

        var source = new TextSource(paths, options, files, walk.LeftOut);
        return files.Count > 0 ? source
            : anything || walk.HasExcluded ? throw new DynConvException(
                $"No text of {string.Join(", ", paths)} is left: all of it is validation text or the run's own.")
            : throw source.NoText();
    }

    /// <summary>Whether a path can be read now, or is standard input.</summary>
    /// <param name="path">What <see cref="Find"/> takes.</param>
    public static bool Exists(string path) => path == TextFile.StandardInput || File.Exists(path) || Directory.Exists(path);

    /// <summary>The documents, one after the other; large ones come in pieces. Each is the caller's to keep.</summary>
    /// <param name="skipped">Told at the end what was left out because of <see cref="TextOptions.SkipBadLines"/>, if anything was.</param>
    /// <exception cref="DynConvException">A file is unreadable, binary or malformed.</exception>
    public IEnumerable<ReadOnlyMemory<byte>> ReadDocuments(Action<SkippedLines>? skipped = null)
    {
        var reader = new TextBatchReader(this, static () => new TextBatch(), new ByteTokenizer());
        foreach (TextPiece piece in reader.ReadPieces())
        {
            yield return piece.Text.ToArray();
        }

        if (reader.Bad.Count > 0)
        {
            skipped?.Invoke(reader.Bad.Summary);
        }
    }

    /// <summary>What to throw when nothing in the files is text.</summary>
    internal DynConvException NoText(SkippedLines? skipped = null)
    {
        if (_paths.Count == 0)
        {
            return new DynConvException("No data was given: name at least one text file or folder.");
        }

        string why = skipped is not null ? $" {skipped.Describe()}"
            : LeftOut.Count > 0 ? $" Left out: {LeftOutFile.Describe(LeftOut)}."
            : "";
        return new DynConvException($"There is no text in {string.Join(", ", _paths)}: hidden, empty and binary files do not count.{why}");
    }

    private static TextFile Named(string path)
    {
        if (path == TextFile.StandardInput)
        {
            return new TextFile("standard input", path, 0, default, IsPipe: true);
        }

        if (FileKinds.Of(path) != FileKind.Regular)
        {
            return new TextFile(path, Path.GetFullPath(path), 0, default, IsPipe: true);
        }

        TextFile? file;
        try
        {
            file = FolderWalk.Describe(path, new FileInfo(path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }

        return file is null ? throw new DynConvException($"There is no file or folder {path}.")
            : file.Bytes > 0 ? file
            : throw new DynConvException($"{path} is empty.");
    }
}
