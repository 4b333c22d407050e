using System.IO.Compression;
using DynConv.Serialization;

namespace DynConv.Models.Tokenizers;

/// <summary>Reading and writing whole files, with failures as sentences.</summary>
internal static class TokenizerFiles
{
    /// <summary>The largest file that is read, unpacked; real ones have some tens of megabytes.</summary>
    public const int LargestBytes = 128 << 20;

    private const string Compressed = ".gz";

    /// <summary>The first of the names that is a file in the folder, plain or with <c>.gz</c> after it; else null.</summary>
    public static string? Find(string folder, params IEnumerable<string> names) => names
        .SelectMany(name => new[] { name, name + Compressed })
        .Select(name => Path.Combine(folder, name))
        .FirstOrDefault(File.Exists);

    /// <summary>The name without folder and <c>.gz</c>.</summary>
    public static string PlainName(string path)
    {
        string name = Path.GetFileName(path);
        return IsCompressed(name) ? name[..^Compressed.Length] : name;
    }

    /// <summary>The bytes of a file, unpacked if its name ends in <c>.gz</c>.</summary>
    /// <exception cref="DynConvException">The file cannot be read, or is too large.</exception>
    public static byte[] Read(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            if (!IsCompressed(path))
            {
                return Read(path, file);
            }

            using var gzip = new GZipStream(file, CompressionMode.Decompress);
            return Read(path, gzip);
        }
        catch (Exception exception)
            when (exception is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException)
        {
            throw new DynConvException($"Cannot read {path}: {exception.Message}", exception);
        }
    }

    private static byte[] Read(string path, Stream stream)
    {
        using var bytes = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        while (stream.Read(buffer) is > 0 and int count)
        {
            if (bytes.Length + count > LargestBytes)
            {
                throw new DynConvException($"{path} is too large for a tokenizer: at most {LargestBytes >> 20} MiB are read.");
            }

            bytes.Write(buffer, 0, count);
        }

        return bytes.ToArray();
    }

    /// <summary>Writes a file that is there complete or not at all.</summary>
    /// <exception cref="DynConvException">The file cannot be written; one that was there is as before.</exception>
    public static void Write(string path, Action<Stream> write) => AtomicFile.Write(path, write);

    private static bool IsCompressed(string path) => path.EndsWith(Compressed, StringComparison.OrdinalIgnoreCase);
}
