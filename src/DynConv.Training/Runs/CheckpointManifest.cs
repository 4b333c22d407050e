using System.Security.Cryptography;
using System.Text.Json;
using DynConv.Serialization;

namespace DynConv.Training.Runs;

/// <summary>A checkpoint's <c>manifest.json</c>: what shows that its files are those that were written.</summary>
internal static class CheckpointManifest
{
    public const string FileName = "manifest.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        AllowDuplicateProperties = false,
        WriteIndented = true,
    };

    /// <summary>Describes all files of a folder, in it.</summary>
    public static void Write(string folder)
    {
        var files = new SortedDictionary<string, Entry>(StringComparer.Ordinal);
        foreach (string path in Directory.EnumerateFiles(folder).Where(path => Path.GetFileName(path) != FileName))
        {
            files.Add(Path.GetFileName(path), new Entry(new FileInfo(path).Length, Hash(path)));
        }

        AtomicFile.WriteAllText(Path.Combine(folder, FileName), JsonSerializer.Serialize(files, Json) + "\n");
    }

    /// <summary>Reads every file through and compares.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="needed">Files that have to be among them.</param>
    /// <exception cref="DynConvException">A file is missing or differs.</exception>
    public static void Verify(string folder, params ReadOnlySpan<string> needed)
    {
        Dictionary<string, Entry> files = Read(folder);
        foreach (string name in needed)
        {
            if (!files.ContainsKey(name))
            {
                throw new DynConvException($"{Path.Combine(folder, FileName)} does not list {name}.");
            }
        }

        foreach ((string name, Entry expected) in files)
        {
            string path = Path.Combine(folder, name);
            try
            {
                long bytes = new FileInfo(path).Length;
                if (bytes != expected.Bytes)
                {
                    throw new DynConvException($"{path} has {bytes:N0} bytes and had {expected.Bytes:N0} when it was written.");
                }

                if (Hash(path) != expected.Sha256)
                {
                    throw new DynConvException($"{path} is not as it was written: its checksum differs from that in {FileName}.");
                }
            }
            catch (FileNotFoundException exception)
            {
                throw new DynConvException($"{path} is missing.", exception);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
            }
        }
    }

    private static Dictionary<string, Entry> Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        return File.Exists(path)
            ? StrictJson.Read<Dictionary<string, Entry>>(
                path,
                Json,
                static files => files.All(file => file.Value is not null && file.Key == Path.GetFileName(file.Key)),
                "is not the manifest of a checkpoint")
            : throw new DynConvException($"{path} is missing.");
    }

    private static string Hash(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private sealed record Entry(long Bytes, string Sha256);
}
