using System.Runtime.InteropServices;
using System.Text;

namespace DynConv.Serialization;

/// <summary>What .NET has no call for on Unix.</summary>
internal static partial class Posix
{
    private const string Library = "libc";
    private const int ReadOnly = 0;
    private const int Interrupted = 4;
    private const int InputOutputError = 5;
    private const int NoSpace = 28;
    private const int QuotaExceeded = 122;

    /// <summary>Brings the names in a folder to the disk. Does nothing on Windows, whose file systems do so by themselves.</summary>
    /// <exception cref="IOException">The disk has failed or is full.</exception>
    public static void FlushFolder(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        int folder = Open(path, ReadOnly);
        if (folder < 0)
        {
            // A folder that may be written to and not read cannot be flushed; nor does that make its files wrong.
            return;
        }

        int failure = 0;
        while (FSync(folder) != 0)
        {
            failure = Marshal.GetLastPInvokeError();
            if (failure != Interrupted)
            {
                break;
            }

            failure = 0;
        }

        _ = Close(folder);

        // Some network file systems know no fsync of folders and say so; a disk that fails is another matter.
        if (failure is InputOutputError or NoSpace or QuotaExceeded)
        {
            throw new IOException($"{Marshal.GetPInvokeErrorMessage(failure)} : '{path}'", failure);
        }
    }

    /// <summary>
    /// The beginning of a small text file, whoever has it locked: .NET's own ways of reading want a lock of their own.
    /// </summary>
    /// <returns>Null if it cannot be read.</returns>
    public static unsafe string? ReadText(string path)
    {
        const int Most = 1024;
        int file = Open(path, ReadOnly);
        if (file < 0)
        {
            return null;
        }

        byte* bytes = stackalloc byte[Most];
        nint count = Read(file, bytes, Most);
        _ = Close(file);
        return count < 0 ? null : Encoding.UTF8.GetString(bytes, (int)count);
    }

    [LibraryImport(Library, EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport(Library, EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int file);

    [LibraryImport(Library, EntryPoint = "read", SetLastError = true)]
    private static unsafe partial nint Read(int file, byte* bytes, nint count);

    [LibraryImport(Library, EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int file);
}
