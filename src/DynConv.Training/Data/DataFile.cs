using System.Security.Cryptography;

namespace DynConv.Training.Data;

/// <summary>A binary file of the encoded data, with what shows that it is whole.</summary>
/// <param name="Name">In the manifest's folder.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Of its content, in hexadecimal.</param>
internal sealed record DataFile(string Name, long Bytes, string Sha256)
{
    /// <summary>Reads the file through and compares; damage is an error that names it.</summary>
    public void Verify(string folder)
    {
        string path = Path.Combine(folder, Name);
        try
        {
            using FileStream stream = File.OpenRead(path);
            if (stream.Length != Bytes)
            {
                throw new DynConvException($"{path} is truncated or damaged: it has {stream.Length} bytes instead of {Bytes}.");
            }

            if (Convert.ToHexStringLower(SHA256.HashData(stream)) != Sha256)
            {
                throw new DynConvException($"{path} is damaged: its checksum is not that in {DataManifest.FileName}.");
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}
