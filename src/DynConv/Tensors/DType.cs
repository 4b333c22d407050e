namespace DynConv;

/// <summary>Element types of tensors.</summary>
public enum DType
{
    /// <summary>IEEE 754 single precision, 4 bytes.</summary>
    Float32,

    /// <summary>The upper half of a <see cref="Float32"/>, 2 bytes.</summary>
    BFloat16,

    /// <summary>Signed, 4 bytes: token ids, targets, sequence bounds.</summary>
    Int32,
}

/// <summary>Facts about element types.</summary>
public static class DTypeExtensions
{
    /// <summary>Bytes that one element takes.</summary>
    public static int SizeInBytes(this DType dtype) => dtype switch
    {
        DType.BFloat16 => 2,
        _ => 4,
    };

    /// <summary>The name that people write: <c>float32</c>, <c>bfloat16</c>, <c>int32</c>.</summary>
    public static string Name(this DType dtype) => dtype switch
    {
        DType.Float32 => "float32",
        DType.BFloat16 => "bfloat16",
        _ => "int32",
    };

    internal static DType Of<T>()
        where T : unmanaged =>
        typeof(T) == typeof(float) ? DType.Float32
        : typeof(T) == typeof(int) ? DType.Int32
        : typeof(T) == typeof(BFloat16) ? DType.BFloat16
        : throw new NotSupportedException($"A tensor holds float, BFloat16 or int, not {typeof(T).Name}.");
}
