using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace DynConv.Serialization;

/// <summary>Conversions between the bytes of a safetensors file (little-endian) and the elements of tensors.</summary>
internal static class ElementCodec
{
    /// <summary>Values of floating-point types as float32; F64 is rounded.</summary>
    public static void ToFloat(SafetensorsType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case SafetensorsType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
                break;
            case SafetensorsType.BF16:
                Convert(MemoryMarshal.Cast<byte, BFloat16>(source), destination, static value => (float)value);
                break;
            case SafetensorsType.F16:
                Convert(MemoryMarshal.Cast<byte, Half>(source), destination, static value => (float)value);
                break;
            case SafetensorsType.F64:
                Convert(MemoryMarshal.Cast<byte, double>(source), destination, static value => (float)value);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type));
        }
    }

    /// <summary>The nearest bfloat16 values, ties to even.</summary>
    public static void ToBFloat16(ReadOnlySpan<float> source, Span<BFloat16> destination) =>
        Convert(source, destination, static value => (BFloat16)value);

    /// <summary>Values of whole-number types as int32.</summary>
    /// <exception cref="OverflowException">A value lies outside int32; the message is the value.</exception>
    public static void ToInt32(SafetensorsType type, ReadOnlySpan<byte> source, Span<int> destination)
    {
        int size = type.SizeInBytes();
        for (int i = 0; i < destination.Length; i++)
        {
            Int128 value = WholeNumber(type, source.Slice(i * size, size));
            if (value < int.MinValue || value > int.MaxValue)
            {
                throw new OverflowException(value.ToString());
            }

            destination[i] = (int)value;
        }
    }

    private static Int128 WholeNumber(SafetensorsType type, ReadOnlySpan<byte> bytes) => type switch
    {
        SafetensorsType.Bool or SafetensorsType.U8 => bytes[0],
        SafetensorsType.I8 => (sbyte)bytes[0],
        SafetensorsType.I16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
        SafetensorsType.U16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        SafetensorsType.I32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
        SafetensorsType.U32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
        SafetensorsType.I64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
        SafetensorsType.U64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    private static void Convert<TFrom, TTo>(ReadOnlySpan<TFrom> source, Span<TTo> destination, Func<TFrom, TTo> convert)
    {
        for (int i = 0; i < source.Length; i++)
        {
            destination[i] = convert(source[i]);
        }
    }
}
