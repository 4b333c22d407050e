using System.IO.Compression;
using System.Text;

namespace DynConv.Training.Tests.Data;

/// <summary>A folder of its own for a test, gone at its end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string FullName { get; } = Directory.CreateTempSubdirectory("dynconv-test-").FullName;

    public string this[string name] => Path.Combine(FullName, name);

    public string[] Names => [.. Directory.EnumerateFileSystemEntries(FullName).Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal)];

    /// <summary>Writes a file, packed if its name ends so, and makes the folders above it.</summary>
    public string Write(string name, byte[] content)
    {
        string path = this[name];
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, name.EndsWith(".gz", StringComparison.Ordinal) ? Gzip(content) : content);
        return path;
    }

    public string Write(string name, string content) => Write(name, Encoding.UTF8.GetBytes(content));

    public static byte[] Gzip(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }

        return packed.ToArray();
    }

    public void Dispose() => Directory.Delete(FullName, recursive: true);
}
