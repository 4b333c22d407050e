using System.Security.Cryptography;
using DynConv.Serialization;

namespace DynConv.Training.Data;

/// <summary>Writes a binary file and its checksum in one pass.</summary>
internal sealed class DataFileWriter(string folder, string name) : IDisposable
{
    private readonly DiskFile _stream = Disk.CreateFile(Path.Combine(folder, name), FileMode.CreateNew);
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
