using System.Buffers.Binary;
using System.Text;

namespace DynConv.Training.Runs.TensorBoard;

/// <summary>
/// Encodes a Protocol Buffers message: each field is a tag (its number and how long it is), then its value. Only the
/// kinds of fields that TensorBoard's events need.
/// </summary>
internal sealed class ProtobufMessage
{
    private readonly List<byte> _bytes = [];

    private enum WireType
    {
        Varint = 0,
        Fixed64 = 1,
        Delimited = 2,
        Fixed32 = 5,
    }

    public byte[] ToArray() => [.. _bytes];

    public ProtobufMessage Add(int field, long value)
    {
        Tag(field, WireType.Varint);
        return Varint((ulong)value);
    }

    public ProtobufMessage Add(int field, double value)
    {
        Tag(field, WireType.Fixed64);
        Span<byte> bytes = stackalloc byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
        return Raw(bytes);
    }

    public ProtobufMessage Add(int field, float value)
    {
        Tag(field, WireType.Fixed32);
        Span<byte> bytes = stackalloc byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        return Raw(bytes);
    }

    public ProtobufMessage Add(int field, string value) => Delimited(field, Encoding.UTF8.GetBytes(value));

    public ProtobufMessage Add(int field, ProtobufMessage value) => Delimited(field, value.ToArray());

    private ProtobufMessage Delimited(int field, byte[] value)
    {
        Tag(field, WireType.Delimited);
        Varint((ulong)value.Length);
        return Raw(value);
    }

    private void Tag(int field, WireType type) => Varint(((ulong)field << 3) | (uint)type);

    /// <summary>Seven bits a byte, the lowest first; the top bit says that more follow.</summary>
    private ProtobufMessage Varint(ulong value)
    {
        for (; value > 0x7F; value >>= 7)
        {
            _bytes.Add((byte)(value | 0x80));
        }

        _bytes.Add((byte)value);
        return this;
    }

    private ProtobufMessage Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }
}
