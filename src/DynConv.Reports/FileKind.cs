using System.Runtime.InteropServices;

namespace DynConv.Reports;

/// <summary>
/// What lies at a path, without opening it: a pipe would be waited for, a device has no end, and a link may lead anywhere.
/// </summary>
internal static partial class FileKind
{
    private const int WorkingFolder = -100; // AT_FDCWD
    private const int NotThroughLinks = 0x100; // AT_SYMLINK_NOFOLLOW
    private const uint Type = 1; // STATX_TYPE
    private const int ModeOffset = 28;
    private const int TypeMask = 0xF000;
    private const int RegularFile = 0x8000;

    /// <summary>Whether there is anything, be it a link that leads nowhere.</summary>
    public static bool IsThere(string path) => File.Exists(path) || Directory.Exists(path) || new FileInfo(path).LinkTarget is not null;

    /// <summary>Why a path is left alone; null if it is a file, or nothing is there.</summary>
    public static string? Obstacle(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget is not null ? $"{path} is a link, and only files of the folder itself are shown."
                : Directory.Exists(path) ? $"{path} is a folder, where a file belongs."
                : File.Exists(path) && !IsRegular(path) ? $"{path} is a pipe, a socket or a device, where a file belongs."
                : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return $"{path} cannot be read: {exception.Message}";
        }
    }

    private static bool IsRegular(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return true;
        }

        try
        {
            Span<byte> found = stackalloc byte[256];
            return Statx(WorkingFolder, path, NotThroughLinks, Type, found) != 0 || (BitConverter.ToUInt16(found[ModeOffset..]) & TypeMask) == RegularFile;
        }
        catch (EntryPointNotFoundException)
        {
            return true; // A C library from before 2018.
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, Span<byte> result);
}
