using System.Collections.Frozen;
using DynConv.Models;
using DynConv.Serialization;

namespace DynConv.Training.Data;

/// <summary>Goes through folders and parts what is in them into text files and the rest.</summary>
internal sealed class FolderWalk(string[] excluded, TextOptions options)
{
    private static readonly FrozenSet<string> BuildFolders =
        FrozenSet.Create(StringComparer.OrdinalIgnoreCase, "bin", "obj", "node_modules");

    private readonly List<LeftOutFile> _leftOut = [];

    public IReadOnlyList<LeftOutFile> LeftOut => _leftOut;

    /// <summary>Whether something was not looked at because it is another's.</summary>
    public bool HasExcluded { get; private set; }

    public static string Full(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    /// <summary>Whether a path is another one or lies below it; both as <see cref="Full"/> gives them.</summary>
    public static bool IsPart(string full, string of) => full.StartsWith(of, StringComparison.Ordinal) &&
        (full.Length == of.Length || full[of.Length] == Path.DirectorySeparatorChar);

    public bool IsExcluded(string full) => Array.Exists(excluded, path => IsPart(full, path));

    /// <summary>The text files below a folder, in ordinal order.</summary>
    public IReadOnlyList<TextFile> Find(string root)
    {
        var files = new List<TextFile>();
        Walk(new DirectoryInfo(root), root, files, isRoot: true);
        return [.. files.OrderBy(file => file.Name, StringComparer.Ordinal)];
    }

    /// <summary>A file as it is now; null if there is none, or a link leads nowhere.</summary>
    public static TextFile? Describe(string name, FileInfo info)
    {
        // A link's own length and time say nothing about the text behind it.
        FileInfo target = info.LinkTarget is not null && info.ResolveLinkTarget(true) is FileInfo final ? final : info;
        return target.Exists ? new TextFile(name, Full(info.FullName), target.Length, target.LastWriteTimeUtc) : null;
    }

    private void Walk(DirectoryInfo folder, string name, List<TextFile> files, bool isRoot = false)
    {
        FileSystemInfo[] entries;
        try
        {
            entries = folder.GetFileSystemInfos();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (isRoot)
            {
                throw new DynConvException($"{name} cannot be read: {exception.Message}", exception);
            }

            _leftOut.Add(new LeftOutFile(name, "unreadable"));
            return;
        }

        foreach (FileSystemInfo entry in entries)
        {
            string entryName = Path.EndsInDirectorySeparator(name) ? name + entry.Name : $"{name}/{entry.Name}";
            if (IsExcluded(Full(entry.FullName)))
            {
                HasExcluded = true;
                continue;
            }

            if (ReasonByName(entry) is { } reason)
            {
                _leftOut.Add(new LeftOutFile(entryName, reason));
            }
            else if (entry is DirectoryInfo inner)
            {
                Walk(inner, entryName, files);
            }
            else
            {
                Add(entryName, (FileInfo)entry, files);
            }
        }
    }

    private static string? ReasonByName(FileSystemInfo entry) =>
        entry.Name.StartsWith('.') || entry.Attributes.HasFlag(FileAttributes.Hidden) ? "hidden"
        : entry is not DirectoryInfo ? null
        : BuildFolders.Contains(entry.Name) ? "built"
        : entry.LinkTarget is not null ? "link to a folder"
        : OwnKind(entry.FullName);

    /// <summary>What a folder is if programs such as this one wrote it: nothing to learn to write from, and most of it no text.</summary>
    private static string? OwnKind(string folder)
    {
        bool Has(string name) => File.Exists(Path.Combine(folder, name));
        return Has(RunFile.Name) && Has(ModelFolder.TokenizerFileName) ? "run"
            : Has(DataManifest.FileName) && Has(DataManifest.DocumentsName) ? "encoded text"
            : Has(ModelFolder.ConfigurationFileName) && (Has(CheckpointReader.FileName) || Has(CheckpointReader.IndexName)) ? "model"
            : null;
    }

    private void Add(string name, FileInfo info, List<TextFile> files)
    {
        try
        {
            TextFile? file = Describe(name, info);
            string? reason = file is null ? "dead link"
                : FileKinds.Of(info.FullName) switch
                {
                    FileKind.Pipe => "pipe",
                    FileKind.Device => "device",
                    FileKind.Socket => "socket",
                    _ => file.Bytes == 0 ? "empty" : ReasonByContent(file),
                };
            if (reason is null)
            {
                files.Add(file!);
            }
            else
            {
                _leftOut.Add(new LeftOutFile(name, reason));
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _leftOut.Add(new LeftOutFile(name, info.LinkTarget is not null ? "circular link" : "unreadable"));
        }
    }

    private string? ReasonByContent(TextFile file)
    {
        try
        {
            using var stream = new TextStream(file);
            return TextSniffer.Sniff(file, stream, options).LeftOut;
        }
        catch (DynConvException exception) when (exception.InnerException is DamagedDataException)
        {
            // Whoever has put it there wants it to be read, and reading it says what is wrong.
            return null;
        }
        catch (DynConvException)
        {
            return "unreadable";
        }
    }
}
