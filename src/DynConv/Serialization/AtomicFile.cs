using System.Text;

namespace DynConv.Serialization;

/// <summary>
/// Writes files that are complete or absent, whatever moment the process dies at: the content goes to a temporary file
/// in the same folder, from there to the disk, and only then to its name, which is on the disk when this returns.
/// </summary>
/// <remarks>
/// Within an <see cref="AtomicFolder"/> that is being written the file goes to its name at once: the folder is temporary.
/// Elsewhere the temporary file is called as the final one with <c>.tmp</c> after it. A failed write removes it; one that a killed
/// process left is overwritten by the next write. A symbolic link stays one, and what it points to is replaced; what stands below
/// <c>/dev</c> and <c>/proc</c>, such as <c>/dev/stdout</c>, is written to and never replaced.
/// </remarks>
public static class AtomicFile
{
    private const int BufferSize = 1 << 20;
    private const string TemporarySuffix = ".tmp";

    /// <summary>Writes or replaces a file.</summary>
    /// <param name="path">The file; its folder exists.</param>
    /// <param name="write">Writes the content. If it throws, the file stays as it was.</param>
    /// <exception cref="DynConvException">The disk is full, or the folder cannot be written to.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(write);
        if (IsDevice(path))
        {
            WriteInto(path, write);
            return;
        }

        path = LinkTarget(path);
        bool covered = AtomicFolder.Covers(path);
        string temporary = covered ? path : path + TemporarySuffix;
        DiskFile stream = Create(path, temporary);
        try
        {
            using (stream)
            {
                write(stream);
                if (covered)
                {
                    stream.Flush();
                }
                else
                {
                    stream.FlushToDisk();
                }
            }

            if (!covered)
            {
                Disk.RenameFile(temporary, path);
                Disk.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
            }
        }
        catch (Exception exception)
        {
            Remove(temporary);
            if (WriteFailure.IsFrom(exception))
            {
                throw WriteFailure.Explain(path, exception);
            }

            throw;
        }
    }

    /// <summary>Writes or replaces a file of UTF-8 text without a byte-order mark.</summary>
    /// <param name="path">The file; its folder exists.</param>
    /// <param name="text">The whole content.</param>
    /// <exception cref="DynConvException">The disk is full, or the folder cannot be written to.</exception>
    public static void WriteAllText(string path, string text)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(text);
        Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
    }

    private static bool IsDevice(string path)
    {
        string full = Path.GetFullPath(path);
        bool isBelow = full.StartsWith("/dev/", StringComparison.Ordinal) || full.StartsWith("/proc/", StringComparison.Ordinal);
        return isBelow && !full.StartsWith("/dev/shm/", StringComparison.Ordinal);
    }

    private static string LinkTarget(string path) =>
        new FileInfo(path).LinkTarget is null ? path : File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;

    private static void WriteInto(string path, Action<Stream> write)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Write);
            write(stream);
        }
        catch (Exception exception) when (WriteFailure.IsFrom(exception))
        {
            throw WriteFailure.Explain(path, exception);
        }
    }

    private static DiskFile Create(string path, string temporary)
    {
        try
        {
            return Disk.CreateFile(temporary, bufferSize: BufferSize);
        }
        catch (Exception exception) when (WriteFailure.IsFrom(exception))
        {
            throw WriteFailure.Explain(path, exception);
        }
    }

    private static void Remove(string temporary)
    {
        try
        {
            Disk.DeleteFile(temporary);
        }
        catch (Exception exception) when (WriteFailure.IsFrom(exception))
        {
            // The failure that led here is the one to report.
        }
    }
}
