namespace DynConv.Serialization;

/// <summary>
/// Writes folders that are complete or absent, whatever moment the process dies at: the files go to a temporary folder
/// beside the final one, from there to the disk, and only then does the folder get its name.
/// </summary>
/// <remarks>
/// The temporary folder is called as the final one with <c>.tmp</c> after it. A failed write removes it; one that a
/// killed process left is removed by the next write. When a folder is replaced there is a moment in which neither the
/// old nor the new one is there.
/// </remarks>
public static class AtomicFolder
{
    private const string TemporarySuffix = ".tmp";
    private const string ReplacedSuffix = ".old.tmp";

    /// <summary>Writes or replaces a folder.</summary>
    /// <param name="path">The folder; missing parents are made.</param>
    /// <param name="write">
    /// Writes the files into the folder it is given. If it throws, the folder at <paramref name="path"/> stays as it was.
    /// </param>
    /// <exception cref="DynConvException">The disk is full, or the parent folder cannot be written to.</exception>
    public static void Write(string path, Action<string> write)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string temporary = path + TemporarySuffix;
        try
        {
            Remove(temporary);
            Directory.CreateDirectory(temporary);
            write(temporary);
            FlushFiles(temporary);
            Replace(path, temporary);
        }
        catch (Exception exception)
        {
            TryRemove(temporary);
            if (WriteFailure.IsFrom(exception))
            {
                throw WriteFailure.Explain(path, exception);
            }

            throw;
        }
    }

    // A folder that is there is first moved aside in one step: deleting it file by file could end halfway.
    private static void Replace(string path, string temporary)
    {
        string replaced = path + ReplacedSuffix;
        Remove(replaced);
        if (Directory.Exists(path))
        {
            Directory.Move(path, replaced);
        }

        Directory.Move(temporary, path);
        TryRemove(replaced);
    }

    private static void FlushFiles(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle handle =
                File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, FileShare.Read);
            RandomAccess.FlushToDisk(handle);
        }
    }

    private static void Remove(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void TryRemove(string folder)
    {
        try
        {
            Remove(folder);
        }
        catch (Exception exception) when (WriteFailure.IsFrom(exception))
        {
            // Nobody reads what is left under a temporary name, and the next write removes it.
        }
    }
}
