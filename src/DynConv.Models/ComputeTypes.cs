namespace DynConv.Models;

/// <summary>What models compute in on a device.</summary>
public static class ComputeTypes
{
    /// <summary>The names that <see cref="Parse"/> understands.</summary>
    public static IReadOnlyList<string> Names { get; } = [DType.Float32.Name(), DType.BFloat16.Name()];

    /// <summary>A type by its name.</summary>
    /// <param name="name">float32 or bfloat16; null for what suits the device: bfloat16 on CUDA, float32 on the CPU.</param>
    /// <param name="device">Where the model computes.</param>
    /// <exception cref="DynConvException">There is no such type, or the device does not compute in it.</exception>
    public static DType Parse(string? name, Device device) => Check(
        name switch
        {
            null => device.IsCuda ? DType.BFloat16 : DType.Float32,
            "float32" => DType.Float32,
            "bfloat16" => DType.BFloat16,
            _ => throw new DynConvException($"dtype is '{name}'; it can be {string.Join(" or ", Names)}."),
        },
        device);

    /// <summary>The same type, if a device computes in it.</summary>
    /// <param name="dtype">The type.</param>
    /// <param name="device">Where the model computes.</param>
    /// <exception cref="DynConvException">It does not.</exception>
    public static DType Check(DType dtype, Device device) => dtype switch
    {
        DType.Int32 => throw new DynConvException("A model computes in float32 or bfloat16, not in int32."),
        DType.BFloat16 when !device.IsCuda => throw new DynConvException(
            "The CPU computes in float32, and bfloat16 needs a GPU: use dtype float32, or device cuda."),
        _ => dtype,
    };
}
