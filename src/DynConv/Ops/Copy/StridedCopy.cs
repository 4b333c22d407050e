namespace DynConv.Ops;

/// <summary>Moves elements between layouts: what views, gradients and casts are made of.</summary>
internal static partial class StridedCopy
{
    /// <summary>Overwrites <paramref name="destination"/>; shapes and dtypes are equal, strides are free.</summary>
    public static void Copy(Tensor source, Tensor destination)
    {
        Check("copy", source, destination);
        CopyCpu(source, destination);
    }

    /// <summary>Adds to <paramref name="destination"/> (float32); shapes are equal, strides are free.</summary>
    public static void Add(Tensor source, Tensor destination)
    {
        Check("add", source, destination);
        AddCpu(source, destination);
    }

    /// <summary>Sets all elements to zero; strides are free.</summary>
    public static void Clear(Tensor destination) => ClearCpu(destination);

    /// <summary>Whether no element (float32) is an infinity or a NaN.</summary>
    public static bool IsFinite(Tensor tensor) => IsFiniteCpu(tensor);

    private static void Check(string op, Tensor source, Tensor destination)
    {
        if (source.Shape != destination.Shape || source.DType != destination.DType)
        {
            throw new TensorException(
                op, $"{source.DType.Name()} {source.Shape} does not fit {destination.DType.Name()} {destination.Shape}.", source, destination);
        }
    }
}
