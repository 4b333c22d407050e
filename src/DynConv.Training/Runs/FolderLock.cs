using System.Diagnostics;
using System.Globalization;
using DynConv.Serialization;

namespace DynConv.Training.Runs;

/// <summary>
/// Keeps other processes from writing to a folder. The lock is the system's, on an open file, and so ends with the
/// process, however that ends; the file says who has it.
/// </summary>
internal sealed class FolderLock : IDisposable
{
    private const int LinuxWouldBlock = 11;
    private const int MacWouldBlock = 35;
    private const int WindowsSharing = unchecked((int)0x80070020);

    // Whoever only looks at a lock, or has just given it up, has it for a moment.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(300);

    private readonly FileStream _file;
    private bool _disposed;

    private FolderLock(FileStream file) => _file = file;

    /// <summary>Takes the lock, or says who has it.</summary>
    /// <param name="folder">The folder that is locked.</param>
    /// <param name="name">The file's name in it.</param>
    /// <exception cref="DynConvException">Another process has it, or no file can be made in the folder.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static FolderLock Take(string folder, string name)
    {
        string path = Path.Combine(Path.GetFullPath(folder), name);
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                if (TryTake(path) is { } taken)
                {
                    return taken;
                }
            }
            catch (Exception exception) when (IsHeld(exception))
            {
                if (watch.Elapsed > Patience)
                {
                    throw new DynConvException(
                        $"{folder} is in use by {Holder(path)}; wait until that has ended, or stop it.", exception);
                }

                Thread.Sleep(10);
            }
            catch (Exception exception) when (exception is not DirectoryNotFoundException and (IOException or UnauthorizedAccessException))
            {
                throw new DynConvException($"{folder} cannot be locked: {exception.Message}", exception);
            }
        }
    }

    /// <summary>Whether a process has the lock at this moment.</summary>
    public static bool IsTaken(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return false;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return IsHeld(exception);
        }
    }

    /// <summary>Removes the file, and then lets go of it.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            // The name may be another's by now.
            return;
        }

        _disposed = true;
        try
        {
            File.Delete(_file.Name);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A file without a lock on it keeps nobody out.
        }

        _file.Dispose();
    }

    private static FolderLock? TryTake(string path)
    {
        // On Unix None is the exclusive lock; on Windows nothing is shared but the right to delete, which Dispose needs.
        FileShare share = OperatingSystem.IsWindows() ? FileShare.Delete | FileShare.Read : FileShare.None;
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, share, bufferSize: 0);
        try
        {
            if (IsStillThere(file, path))
            {
                Introduce(file);
                return new FolderLock(file);
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }

        file.Dispose();
        return null;
    }

    /// <summary>
    /// Whether the file that was locked is the one that has the name. The one before may have removed it between the
    /// opening and the locking, and then somebody else may lock another of that name.
    /// </summary>
    private static bool IsStillThere(FileStream file, string path)
    {
        DateTime mark = new(Random.Shared.NextInt64(DateTime.UnixEpoch.Ticks, DateTime.UtcNow.Ticks), DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(file.SafeFileHandle, mark);
        return File.Exists(path) && File.GetLastWriteTimeUtc(path) == File.GetLastWriteTimeUtc(file.SafeFileHandle);
    }

    private static void Introduce(FileStream file)
    {
        string who = string.Create(
            CultureInfo.InvariantCulture,
            $"process {Environment.ProcessId} on {Environment.MachineName} since {DateTime.UtcNow:yyyy-MM-dd HH:mm:ss} UTC");
        try
        {
            file.SetLength(0);
            file.Write(System.Text.Encoding.UTF8.GetBytes(who));
        }
        catch (IOException)
        {
            // A full disk: the lock holds all the same.
        }
    }

    private static string Holder(string path)
    {
        string? who = OperatingSystem.IsWindows() ? ReadShared(path) : Posix.ReadText(path);
        return string.IsNullOrEmpty(who) || who.Any(char.IsControl) ? "another process" : who;
    }

    private static string? ReadShared(string path)
    {
        try
        {
            using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            return reader.ReadToEnd();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static bool IsHeld(Exception exception) => exception is IOException
        ? exception.HResult is LinuxWouldBlock or MacWouldBlock or WindowsSharing
        : OperatingSystem.IsWindows() && exception is UnauthorizedAccessException;
}
