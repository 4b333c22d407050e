using DynConv.Models;
using DynConv.Serialization;

namespace DynConv.Training.Runs;

/// <summary>A run's folder, for as long as this process may write to it and no other.</summary>
internal sealed class RunFolder : IDisposable
{
    public const string LockName = "run.lock";

    private const int MostAttempts = 20;

    /// <summary>What a run makes before it has results.</summary>
    private static readonly string[] MadeFirst =
        [RunFile.Name, RunFile.Name + ".tmp", MetricsLog.Name, "data", ModelFolder.TokenizerFileName];

    private readonly string _path;
    private readonly bool _existed;
    private readonly List<string> _madeParents;
    private readonly FolderLock _lock;

    private RunFolder(string path, bool existed, List<string> madeParents, FolderLock taken)
    {
        _path = path;
        _existed = existed;
        _madeParents = madeParents;
        _lock = taken;
    }

    /// <summary>Makes the folder of a new run, unless it is there and empty, and locks it.</summary>
    /// <exception cref="DynConvException">
    /// It is not a folder, cannot be made, or holds something; or another process is about to use it.
    /// </exception>
    public static RunFolder Claim(string folder)
    {
        if (File.Exists(folder))
        {
            throw new DynConvException($"{folder} is a file; a run needs a folder.");
        }

        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        for (int attempt = 1; ; attempt++)
        {
            // A folder that somebody is just starting in may be there for that alone: who leaves it last removes it, if it is empty.
            bool isTaken = FolderLock.IsTaken(path, LockName);
            bool existed = !isTaken && Directory.Exists(path);
            try
            {
                // Of a folder that is in use, who uses it is what to say, and taking the lock says so.
                if (!isTaken)
                {
                    CheckFree(folder, path);
                }

                List<string> missing = MissingParents(path);
                Disk.CreateFolder(path);
                FolderLock taken = FolderLock.Take(folder, LockName);
                var claimed = new RunFolder(path, existed, missing, taken);
                try
                {
                    // Whoever had the lock before may have begun a run.
                    CheckFree(folder, path);
                    return claimed;
                }
                catch
                {
                    claimed.Dispose();
                    throw;
                }
            }
            catch (DirectoryNotFoundException) when (attempt < MostAttempts)
            {
                // A run that came to nothing may have taken it away in this moment.
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new DynConvException($"The folder {folder} cannot be made: {exception.Message}", exception);
            }
        }
    }

    /// <summary>Locks the folder of a run that is there.</summary>
    /// <exception cref="DynConvException">It holds no run, or another process has it.</exception>
    public static RunFolder Open(string folder)
    {
        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        try
        {
            if (File.Exists(Path.Combine(path, RunFile.Name)))
            {
                var opened = new RunFolder(path, existed: true, [], FolderLock.Take(folder, LockName));
                if (File.Exists(Path.Combine(path, RunFile.Name)))
                {
                    return opened;
                }

                opened.Dispose();
            }
        }
        catch (DirectoryNotFoundException)
        {
            // Gone, as if it had never been there.
        }

        throw new DynConvException($"{folder} holds no run to resume: there is no {Path.Combine(folder, RunFile.Name)}.");
    }

    /// <summary>Removes what the run has put there, and the folders that it made if nothing else is in them.</summary>
    public void Discard()
    {
        foreach (string path in MadeFirst.Select(name => Path.Combine(_path, name)))
        {
            Disk.DeleteFolder(path);
            Disk.DeleteFile(path);
        }

        foreach (string events in Directory.EnumerateFiles(_path, "events.out.tfevents.*"))
        {
            File.Delete(events);
        }

        _lock.Dispose();
        foreach (string folder in _existed ? [] : _madeParents.Prepend(_path))
        {
            try
            {
                Directory.Delete(folder);
            }
            catch (IOException)
            {
                // Others have put something there.
                return;
            }
        }
    }

    /// <summary>Lets other processes have it.</summary>
    public void Dispose() => _lock.Dispose();

    private static void CheckFree(string folder, string path)
    {
        if (File.Exists(Path.Combine(path, RunFile.Name)))
        {
            throw new DynConvException($"{folder} holds a run already; use --resume to continue it, or another folder.");
        }

        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any(entry => Path.GetFileName(entry) != LockName))
        {
            throw new DynConvException($"{folder} holds other files; a run needs an empty or a new folder.");
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
