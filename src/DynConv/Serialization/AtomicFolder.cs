using System.Runtime.ExceptionServices;

namespace DynConv.Serialization;

/// <summary>
/// Writes folders that are complete or absent, whatever moment the process dies at: the files go to a temporary folder
/// beside the final one, from there to the disk, and only then does the folder get its name, which is on the disk when
/// this returns.
/// </summary>
/// <remarks>
/// The temporary folder is called as the final one with <c>.tmp</c> after it. A failed write removes it; one that a
/// killed process left is removed by the next write. When a folder is replaced there is a moment in which neither the
/// old nor the new one is there; <see cref="Recover"/> brings the old one back if the process dies in it.
/// </remarks>
public static class AtomicFolder
{
    private const string TemporarySuffix = ".tmp";
    private const string ReplacedSuffix = ".old.tmp";
    private const string RemovedSuffix = ".removed.tmp";

    [ThreadStatic]
    private static string? _beingWritten;

    /// <summary>Writes or replaces a folder.</summary>
    /// <param name="path">The folder; missing parents are made.</param>
    /// <param name="write">
    /// Writes the files into the folder it is given. If it throws, the folder at <paramref name="path"/> stays as it was.
    /// </param>
    /// <exception cref="DynConvException">The disk is full, or the parent folder cannot be written to.</exception>
    public static void Write(string path, Action<string> write)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(write);
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string temporary = path + TemporarySuffix;
        try
        {
            Recover(path);
            Disk.DeleteFolder(temporary);
            Disk.CreateFolder(temporary);
            WriteFiles(temporary, write);
            Flush(temporary);
            Replace(path, temporary);
        }
        catch (Exception exception)
        {
            TryRemove(temporary);
            TryRecover(path);
            if (WriteFailure.IsFrom(exception))
            {
                throw WriteFailure.Explain(path, exception);
            }

            throw;
        }
    }

    /// <summary>Whether a file is part of a folder that this thread is writing, and so needs no care of its own.</summary>
    /// <param name="path">The file.</param>
    internal static bool Covers(string path) => _beingWritten is { } folder
        && Path.GetFullPath(path).StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    /// <summary>Gives a folder its name back that a process has moved aside without coming to put another in its place.</summary>
    /// <param name="path">The folder.</param>
    internal static void Recover(string path)
    {
        string replaced = path + ReplacedSuffix;
        if (Directory.Exists(replaced) && !Directory.Exists(path))
        {
            Disk.RenameFolder(replaced, path);
            Disk.FlushFolder(Path.GetDirectoryName(path)!);
        }
    }

    /// <summary>Removes what a process that died has left under temporary names, and brings back what it had moved aside.</summary>
    /// <param name="path">The folder; nobody else writes it.</param>
    internal static void CleanUp(string path)
    {
        Recover(path);
        TryRemove(path + TemporarySuffix);
        TryRemove(path + ReplacedSuffix);
        TryRemove(path + RemovedSuffix);
    }

    /// <summary>Removes a folder in such a way that it is not seen half empty, whatever moment the process dies at.</summary>
    /// <param name="path">The folder.</param>
    internal static void Delete(string path)
    {
        string removed = path + RemovedSuffix;
        Disk.DeleteFolder(removed);
        Disk.RenameFolder(path, removed);
        Disk.FlushFolder(Path.GetDirectoryName(path)!);
        TryRemove(removed);
    }

    private static void WriteFiles(string folder, Action<string> write)
    {
        string? outer = _beingWritten;
        _beingWritten = folder;
        try
        {
            write(folder);
        }
        finally
        {
            _beingWritten = outer;
        }
    }

    // A folder that is there is first moved aside in one step: deleting it file by file could end halfway.
    private static void Replace(string path, string temporary)
    {
        string parent = Path.GetDirectoryName(path)!;
        string replaced = path + ReplacedSuffix;
        Disk.DeleteFolder(replaced);
        if (Directory.Exists(path))
        {
            Disk.RenameFolder(path, replaced);
        }

        Disk.RenameFolder(temporary, path);
        Disk.FlushFolder(parent);
        TryRemove(replaced);
    }

    private static void Flush(string folder)
    {
        // Asked for at once, many small files reach the disk in the time of one.
        try
        {
            Parallel.ForEach(Directory.EnumerateFiles(folder), Disk.FlushFile);
        }
        catch (AggregateException failures)
        {
            ExceptionDispatchInfo.Throw(failures.InnerExceptions[0]);
        }

        foreach (string inner in Directory.EnumerateDirectories(folder))
        {
            Flush(inner);
        }

        Disk.FlushFolder(folder);
    }

    private static void TryRecover(string path)
    {
        try
        {
            Recover(path);
        }
        catch (Exception exception) when (WriteFailure.IsFrom(exception))
        {
            // The next write tries again; what is to be told is why this one has failed.
        }
    }

    private static void TryRemove(string folder)
    {
        try
        {
            Disk.DeleteFolder(folder);
        }
        catch (Exception exception) when (WriteFailure.IsFrom(exception))
        {
            // Nobody reads what is left under a temporary name, and the next write removes it.
        }
    }
}
