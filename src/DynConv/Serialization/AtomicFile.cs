using System.Text;

namespace DynConv.Serialization;

/// <summary>
/// Writes files that are complete or absent, whatever moment the process dies at: the content goes to a temporary file
/// in the same folder, from there to the disk, and only then to its name.
/// </summary>
/// <remarks>
/// The temporary file is called as the final one with <c>.tmp</c> after it. A failed write removes it; one that a killed
/// process left is overwritten by the next write.
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
        string temporary = path + TemporarySuffix;
        FileStream stream = Create(path, temporary);
        try
        {
            using (stream)
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
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
    public static void WriteAllText(string path, string text) => Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));

    private static FileStream Create(string path, string temporary)
    {
        try
        {
            return new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, BufferSize);
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
            File.Delete(temporary);
        }
        catch (Exception exception) when (WriteFailure.IsFrom(exception))
        {
            // The failure that led here is the one to report.
        }
    }
}
