namespace DynConv.Serialization;

/// <summary>Element types that a safetensors file may hold.</summary>
public enum SafetensorsType
{
    /// <summary>Truth values, 1 byte: 0 or 1.</summary>
    Bool,

    /// <summary>Unsigned, 1 byte.</summary>
    U8,

    /// <summary>Signed, 1 byte.</summary>
    I8,

    /// <summary>Floating point, 1 byte: 5 bits of exponent. Can be listed, not read.</summary>
    F8E5M2,

    /// <summary>Floating point, 1 byte: 4 bits of exponent. Can be listed, not read.</summary>
    F8E4M3,

    /// <summary>Signed, 2 bytes.</summary>
    I16,

    /// <summary>Unsigned, 2 bytes.</summary>
    U16,

    /// <summary>IEEE 754 half precision, 2 bytes.</summary>
    F16,

    /// <summary>The upper half of an <see cref="F32"/>, 2 bytes.</summary>
    BF16,

    /// <summary>Signed, 4 bytes.</summary>
    I32,

    /// <summary>Unsigned, 4 bytes.</summary>
    U32,

    /// <summary>IEEE 754 single precision, 4 bytes.</summary>
    F32,

    /// <summary>IEEE 754 double precision, 8 bytes.</summary>
    F64,

    /// <summary>Signed, 8 bytes.</summary>
    I64,

    /// <summary>Unsigned, 8 bytes.</summary>
    U64,
}

/// <summary>Facts about the element types of safetensors files.</summary>
public static class SafetensorsTypeExtensions
{
    /// <summary>Bytes that one element takes.</summary>
    public static int SizeInBytes(this SafetensorsType type) => type switch
    {
        SafetensorsType.Bool or SafetensorsType.U8 or SafetensorsType.I8 => 1,
        SafetensorsType.F8E5M2 or SafetensorsType.F8E4M3 => 1,
        SafetensorsType.I16 or SafetensorsType.U16 or SafetensorsType.F16 or SafetensorsType.BF16 => 2,
        SafetensorsType.I32 or SafetensorsType.U32 or SafetensorsType.F32 => 4,
        _ => 8,
    };

    /// <summary>The name in a file's header: <c>F32</c>, <c>BF16</c>, <c>BOOL</c>.</summary>
    public static string Name(this SafetensorsType type) => type switch
    {
        SafetensorsType.Bool => "BOOL",
        SafetensorsType.F8E5M2 => "F8_E5M2",
        SafetensorsType.F8E4M3 => "F8_E4M3",
        _ => type.ToString(),
    };

    internal static SafetensorsType? Parse(string? name)
    {
        foreach (SafetensorsType type in Enum.GetValues<SafetensorsType>())
        {
            if (type.Name() == name)
            {
                return type;
            }
        }

        return null;
    }

    /// <summary>The dtype of a tensor that holds such elements; null if there is none.</summary>
    internal static DType? TensorType(this SafetensorsType type) => type switch
    {
        SafetensorsType.F32 or SafetensorsType.F64 or SafetensorsType.F16 or SafetensorsType.BF16 => DType.Float32,
        SafetensorsType.F8E4M3 or SafetensorsType.F8E5M2 => null,
        _ => DType.Int32,
    };

    internal static SafetensorsType Of(DType dtype) => dtype switch
    {
        DType.Float32 => SafetensorsType.F32,
        DType.BFloat16 => SafetensorsType.BF16,
        _ => SafetensorsType.I32,
    };
}
