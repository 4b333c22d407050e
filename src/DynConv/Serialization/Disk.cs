namespace DynConv.Serialization;

/// <summary>
/// All that a run changes on disk goes through here, so that a test can see the order of it and work out what a power
/// failure would leave.
/// </summary>
internal static class Disk
{
    /// <summary>Hears of each operation when it is done; of all threads, so that it is for tests that run alone.</summary>
    public static Action<DiskOperation>? Observer { get; set; }

    /// <summary>Makes a file, empty, in place of one that may be there.</summary>
    public static DiskFile CreateFile(string path, FileMode mode = FileMode.Create, int bufferSize = 1 << 16)
    {
        var stream = new FileStream(path, mode, FileAccess.Write, FileShare.None, bufferSize);
        Observer?.Invoke(new DiskOperation.Create(path));
        return new DiskFile(stream);
    }

    /// <summary>Opens a file to add to its end, or makes it; others may read it meanwhile. Nothing is buffered.</summary>
    public static DiskFile OpenLog(string path)
    {
        bool isNew = !File.Exists(path);
        var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        if (isNew)
        {
            Observer?.Invoke(new DiskOperation.Create(path));
        }

        stream.Seek(0, SeekOrigin.End);
        return new DiskFile(stream);
    }

    /// <summary>Brings a file that somebody else has written and closed to the disk.</summary>
    public static void FlushFile(string path)
    {
        using (Microsoft.Win32.SafeHandles.SafeFileHandle handle =
            File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            RandomAccess.FlushToDisk(handle);
        }

        Observer?.Invoke(new DiskOperation.Flush(path));
    }

    /// <summary>Brings the names in a folder to the disk: until then a power failure may take back what was renamed or made in it.</summary>
    public static void FlushFolder(string path)
    {
        Posix.FlushFolder(path);
        Observer?.Invoke(new DiskOperation.Flush(path));
    }

    /// <summary>Makes a folder and those above it that are missing, their names on the disk.</summary>
    public static void CreateFolder(string path)
    {
        var missing = new Stack<string>();
        for (string? folder = Path.GetFullPath(path); folder is not null && !Directory.Exists(folder); folder = Path.GetDirectoryName(folder))
        {
            missing.Push(folder);
        }

        Directory.CreateDirectory(path);
        foreach (string made in missing)
        {
            Observer?.Invoke(new DiskOperation.CreateFolder(made));
            FlushFolder(Path.GetDirectoryName(made)!);
        }
    }

    /// <summary>Renames a file within its folder, over one that may have the name.</summary>
    public static void RenameFile(string path, string to)
    {
        File.Move(path, to, overwrite: true);
        Observer?.Invoke(new DiskOperation.Rename(path, to));
    }

    /// <summary>Renames a folder within the one that it is in; nothing has the name.</summary>
    public static void RenameFolder(string path, string to)
    {
        Directory.Move(path, to);
        Observer?.Invoke(new DiskOperation.Rename(path, to));
    }

    /// <summary>Removes a file if it is there.</summary>
    public static void DeleteFile(string path)
    {
        if (File.Exists(path))
        {
            File.Delete(path);
            Observer?.Invoke(new DiskOperation.Delete(path));
        }
    }

    /// <summary>Removes a folder and all that is in it, if it is there; of a link to one, the link.</summary>
    public static void DeleteFolder(string path)
    {
        var folder = new DirectoryInfo(path);
        if (!folder.Exists)
        {
            return;
        }

        if (folder.LinkTarget is null)
        {
            foreach (string inner in Directory.GetDirectories(path))
            {
                DeleteFolder(inner);
            }

            foreach (string file in Directory.GetFiles(path))
            {
                File.Delete(file);
                Observer?.Invoke(new DiskOperation.Delete(file));
            }
        }

        Directory.Delete(path);
        Observer?.Invoke(new DiskOperation.Delete(path));
    }
}
