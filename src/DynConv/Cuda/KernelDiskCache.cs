using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace DynConv.Cuda;

/// <summary>
/// Compiled kernels on disk, so that only the first run on a machine pays for the compiler, and what was found out about the
/// machine's matrix products. A file is named by a hash of everything that its contents depend on, and carries a hash of its
/// contents: a damaged one is made anew. Several processes may share the folder.
/// </summary>
internal sealed class KernelDiskCache
{
    private const int HashBytes = 32;
    private const string CodeEnding = ".cubin";
    private const string AlgorithmEnding = ".algorithm";
    private const string TemporaryEnding = ".tmp";

    // A temporary file this old was left by a process that was killed.
    private static readonly TimeSpan LongestWrite = TimeSpan.FromHours(1);

    private readonly string _folder;
    private readonly long _limitBytes;

    /// <param name="folder">Where the files lie; made if need be.</param>
    /// <param name="limitBytes">Above this the files that were not used for longest are deleted.</param>
    public KernelDiskCache(string folder, long limitBytes = 256 << 20)
    {
        _folder = folder;
        _limitBytes = limitBytes;
    }

    /// <summary>
    /// The folder that <c>DYNCONV_CACHE</c> names, or <c>dynconv/kernels</c> in the user's cache folder.
    /// </summary>
    public static string DefaultFolder
    {
        get
        {
            string? asked = Environment.GetEnvironmentVariable("DYNCONV_CACHE");
            if (!string.IsNullOrEmpty(asked))
            {
                return Path.Combine(asked, "kernels");
            }

            string? xdg = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            string root = !string.IsNullOrEmpty(xdg) ? xdg
                : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
            return Path.Combine(root, "dynconv", "kernels");
        }
    }

    /// <summary>The file of a compilation.</summary>
    public string FileOf(KernelRequest request, string[] options, string compilerVersion)
    {
        IEnumerable<string> headers = KernelSources.Headers.SelectMany(static header => (string[])[header.Key, header.Value]);
        string[] parts = [compilerVersion, .. options, request.File, KernelSources.Text(request.File), .. headers];
        return FileOf(Path.GetFileNameWithoutExtension(request.File), parts, CodeEnding);
    }

    /// <summary>The file of the algorithm for a matrix product.</summary>
    /// <param name="product">All that the best algorithm depends on.</param>
    public string FileOf(string product) => FileOf("product", [product], AlgorithmEnding);

    /// <summary>What a file holds; null if it is not there or not whole.</summary>
    public static byte[]? Read(string file)
    {
        try
        {
            byte[] bytes = File.ReadAllBytes(file);
            if (bytes.Length < HashBytes || !SHA256.HashData(bytes.AsSpan(HashBytes)).AsSpan().SequenceEqual(bytes.AsSpan(0, HashBytes)))
            {
                return null;
            }

            MarkUsed(file);
            return bytes[HashBytes..];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Writes a file whole or not at all; a cache that cannot be written is no failure.</summary>
    /// <param name="file">One of <see cref="FileOf(string)"/>.</param>
    /// <param name="code">What it is to hold.</param>
    /// <param name="overwrite">Whether to replace a file that another process may have written in the meantime.</param>
    public void Write(string file, byte[] code, bool overwrite = true)
    {
        string temporary = $"{file}.{Guid.NewGuid():N}{TemporaryEnding}";
        try
        {
            Directory.CreateDirectory(_folder);
            File.WriteAllBytes(temporary, [.. SHA256.HashData(code), .. code]);
            File.Move(temporary, file, overwrite);
            Prune();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            DeleteIfThere(temporary);
        }
    }

    private string FileOf(string stem, string[] parts, string ending)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[sizeof(int)];
        foreach (string part in parts)
        {
            // The length keeps two neighbours from being read as one.
            byte[] bytes = Encoding.UTF8.GetBytes(part);
            BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }

        return Path.Combine(_folder, $"{stem}-{Convert.ToHexStringLower(hash.GetHashAndReset())[..32]}{ending}");
    }

    private void Prune()
    {
        // The folder may be shared, and what else lies there is not this cache's to delete.
        IEnumerable<FileInfo> files = new DirectoryInfo(_folder).GetFiles()
            .Where(file => file.Extension is CodeEnding or AlgorithmEnding or TemporaryEnding)
            .OrderByDescending(file => file.LastWriteTimeUtc);
        long total = 0;
        foreach (FileInfo file in files)
        {
            total += file.Length;
            bool abandoned = file.Extension == TemporaryEnding && DateTime.UtcNow - file.LastWriteTimeUtc > LongestWrite;
            if (total > _limitBytes || abandoned)
            {
                DeleteIfThere(file.FullName);
            }
        }
    }

    // A folder that others filled may be read-only; its files serve all the same.
    private static void MarkUsed(string file)
    {
        try
        {
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It may be deleted sooner than it ought to be, by whoever may write here.
        }
    }

    private static void DeleteIfThere(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Another process has it open or has deleted it; either way it is no longer this one's business.
        }
    }
}
