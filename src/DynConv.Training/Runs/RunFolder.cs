namespace DynConv.Training.Runs;

/// <summary>The folder of a new run: claimed if it is free, and left as it was found if nothing comes of the run.</summary>
internal sealed class RunFolder
{
    private readonly string _path;
    private readonly bool _existed;
    private readonly List<string> _madeParents;

    private RunFolder(string path, bool existed, List<string> madeParents)
    {
        _path = path;
        _existed = existed;
        _madeParents = madeParents;
    }

    /// <summary>Makes the folder unless it is there and empty.</summary>
    /// <exception cref="DynConvException">It is not a folder, cannot be made, or holds something.</exception>
    public static RunFolder Claim(string folder)
    {
        if (File.Exists(folder))
        {
            throw new DynConvException($"{folder} is a file; a run needs a folder.");
        }

        if (File.Exists(Path.Combine(folder, RunFile.Name)))
        {
            throw new DynConvException($"{folder} holds a run already; use --resume to continue it, or another folder.");
        }

        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        bool existed = Directory.Exists(path);
        try
        {
            if (existed && Directory.EnumerateFileSystemEntries(path).Any())
            {
                throw new DynConvException($"{folder} holds other files; a run needs an empty or a new folder.");
            }

            var claimed = new RunFolder(path, existed, MissingParents(path));
            Directory.CreateDirectory(path);
            return claimed;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"The folder {folder} cannot be made: {exception.Message}", exception);
        }
    }

    /// <summary>Removes what the run has put there.</summary>
    public void Discard()
    {
        if (_existed)
        {
            foreach (string entry in Directory.EnumerateDirectories(_path))
            {
                Directory.Delete(entry, recursive: true);
            }

            foreach (string entry in Directory.EnumerateFiles(_path))
            {
                File.Delete(entry);
            }

            return;
        }

        Directory.Delete(_path, recursive: true);
        foreach (string parent in _madeParents.TakeWhile(static parent => !Directory.EnumerateFileSystemEntries(parent).Any()))
        {
            Directory.Delete(parent);
        }
    }

    /// <summary>The folders above that are not there yet, innermost first.</summary>
    private static List<string> MissingParents(string path)
    {
        var missing = new List<string>();
        for (string? parent = Path.GetDirectoryName(path); parent is not null && !Directory.Exists(parent); parent = Path.GetDirectoryName(parent))
        {
            missing.Add(parent);
        }

        return missing;
    }
}
