using System.Buffers.Binary;
using System.Numerics;

namespace DynConv.Training.Runs.TensorBoard;

/// <summary>
/// A file of TensorFlow's records: for each its length (8 bytes), a checksum of that (4), its bytes, and a checksum of
/// those (4), all little-endian.
/// </summary>
internal sealed class RecordFile : IDisposable
{
    private readonly FileStream _file;

    /// <param name="path">A file that is not there yet.</param>
    public RecordFile(string path) => _file = new FileStream(
        path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

    /// <summary>Appends a record, whole, so that whoever reads along never waits for the rest of one.</summary>
    public void Write(ReadOnlySpan<byte> data)
    {
        const int Before = sizeof(ulong) + sizeof(uint);
        var record = new byte[Before + data.Length + sizeof(uint)];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(sizeof(ulong)), MaskedChecksum(record.AsSpan(0, sizeof(ulong))));
        data.CopyTo(record.AsSpan(Before));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(Before + data.Length), MaskedChecksum(data));
        try
        {
            _file.Write(record);
        }
        catch (Exception exception) when (exception is IOException or ArgumentOutOfRangeException)
        {
            throw new DynConvException(
                $"{_file.Name} could not be written: {exception.Message}; make room and continue with --resume.", exception);
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>CRC-32C, turned and shifted, so that the checksum of data that hold checksums is of use too.</summary>
    private static uint MaskedChecksum(ReadOnlySpan<byte> data)
    {
        const uint Mask = 0xA282EAD8;
        uint crc = uint.MaxValue;
        foreach (byte value in data)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return BitOperations.RotateRight(~crc, 15) + Mask;
    }
}
