using System.Buffers.Binary;
using System.Text;

namespace DynConv.Training.Tests.Runs.TensorBoard;

/// <summary>An event as its file tells it.</summary>
/// <param name="WallTime">Seconds since 1970.</param>
/// <param name="Step">0 if not told.</param>
/// <param name="FileVersion">Of the first event.</param>
/// <param name="Scalars">Values by tag.</param>
/// <param name="Session">Status of a session; 1 is its start.</param>
public sealed record ReadEvent(double WallTime, long Step, string? FileVersion, IReadOnlyDictionary<string, float> Scalars, long? Session);

/// <summary>
/// Reads event files by the published definitions of TFRecord, CRC-32C, event.proto and summary.proto, sharing nothing
/// with the writer.
/// </summary>
public static class EventReader
{
    public static List<ReadEvent> Read(string path)
    {
        ReadOnlySpan<byte> bytes = File.ReadAllBytes(path);
        var events = new List<ReadEvent>();
        while (bytes.Length > 0)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
            Assert.Equal(Masked(bytes[..8]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));
            ReadOnlySpan<byte> data = bytes.Slice(12, length);
            Assert.Equal(Masked(data), BinaryPrimitives.ReadUInt32LittleEndian(bytes[(12 + length)..]));
            events.Add(ReadOne(data));
            bytes = bytes[(16 + length)..];
        }

        return events;
    }

    /// <summary>CRC-32C bit by bit: the reversed polynomial of Castagnoli.</summary>
    public static uint Crc32C(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in data)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F63B78;
            }
        }

        return ~crc;
    }

    private static uint Masked(ReadOnlySpan<byte> data)
    {
        uint crc = Crc32C(data);
        return unchecked(((crc >> 15) | (crc << 17)) + 0xA282EAD8);
    }

    private static ReadEvent ReadOne(ReadOnlySpan<byte> data)
    {
        double time = 0;
        long step = 0;
        string? version = null;
        long? session = null;
        var scalars = new Dictionary<string, float>();
        foreach ((int field, ulong number, byte[] content) in Fields(data))
        {
            switch (field)
            {
                case 1: time = BitConverter.UInt64BitsToDouble(number); break;
                case 2: step = (long)number; break;
                case 3: version = Encoding.UTF8.GetString(content); break;
                case 5: ReadSummary(content, scalars); break;
                case 7: session = (long)Fields(content).Single(inner => inner.Field == 1).Number; break;
                default: Assert.Fail($"Nobody knows field {field}."); break;
            }
        }

        return new ReadEvent(time, step, version, scalars, session);
    }

    private static void ReadSummary(byte[] summary, Dictionary<string, float> scalars)
    {
        foreach ((int field, _, byte[] value) in Fields(summary))
        {
            Assert.Equal(1, field);
            var parts = Fields(value).ToDictionary(part => part.Field);
            scalars.Add(Encoding.UTF8.GetString(parts[1].Content), BitConverter.UInt32BitsToSingle((uint)parts[2].Number));
        }
    }

    private static List<(int Field, ulong Number, byte[] Content)> Fields(ReadOnlySpan<byte> data)
    {
        var fields = new List<(int, ulong, byte[])>();
        while (data.Length > 0)
        {
            ulong tag = Varint(ref data);
            ulong number = 0;
            byte[] content = [];
            switch (tag & 7)
            {
                case 0: number = Varint(ref data); break;
                case 1: number = BinaryPrimitives.ReadUInt64LittleEndian(data); data = data[8..]; break;
                case 5: number = BinaryPrimitives.ReadUInt32LittleEndian(data); data = data[4..]; break;
                case 2:
                    int length = (int)Varint(ref data);
                    content = data[..length].ToArray();
                    data = data[length..];
                    break;
                default: Assert.Fail("There is no such wire type."); break;
            }

            fields.Add(((int)(tag >> 3), number, content));
        }

        return fields;
    }

    private static ulong Varint(ref ReadOnlySpan<byte> data)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = data[0];
            data = data[1..];
            value |= (ulong)(next & 0x7F) << shift;
            if ((next & 0x80) == 0)
            {
                return value;
            }
        }
    }
}
