using System.Security.Cryptography;

namespace DynConv.Training.Data;

/// <summary>Writes a binary file and its checksum in one pass.</summary>
internal sealed class DataFileWriter(string folder, string name) : IDisposable
{
    private readonly FileStream _stream = new(Path.Combine(folder, name), FileMode.CreateNew, FileAccess.Write);
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _bytes;

    public void Write(ReadOnlySpan<byte> bytes)
    {
        _stream.Write(bytes);
        _hash.AppendData(bytes);
        _bytes += bytes.Length;
    }

    public DataFile Finish()
    {
        _stream.Flush();
        return new DataFile(name, _bytes, Convert.ToHexStringLower(_hash.GetHashAndReset()));
    }

    public void Dispose()
    {
        _stream.Dispose();
        _hash.Dispose();
    }
}
