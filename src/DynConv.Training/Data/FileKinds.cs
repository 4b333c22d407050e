using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DynConv.Training.Data;

/// <summary>What a path leads to.</summary>
internal enum FileKind
{
    Regular,
    Pipe,
    Device,
    Socket,
}

/// <summary>
/// Finds out what a path leads to without opening it: opening a pipe waits for somebody to write into it. .NET does not
/// tell; Linux does, and elsewhere all count as regular files.
/// </summary>
internal static partial class FileKinds
{
    private const int CurrentDirectory = -100;
    private const uint TypeAndMode = 1;
    private const int ModeOffset = 28;
    private const int StatusBytes = 256;

    public static FileKind Of(string path)
    {
        Span<byte> status = stackalloc byte[StatusBytes];
        if (!OperatingSystem.IsLinux() || Statx(CurrentDirectory, path, 0, TypeAndMode, status) != 0)
        {
            return FileKind.Regular;
        }

        return (BinaryPrimitives.ReadUInt16LittleEndian(status[ModeOffset..]) & 0xF000) switch
        {
            0x1000 => FileKind.Pipe,
            0x2000 or 0x6000 => FileKind.Device,
            0xC000 => FileKind.Socket,
            _ => FileKind.Regular,
        };
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Statx(int folder, string path, int flags, uint mask, Span<byte> status);
}
