namespace DynConv;

/// <summary>Moves elements between layouts and floating-point types: what views, gradients and casts are made of.</summary>
internal static partial class StridedCopy
{
    /// <summary>
    /// Overwrites <paramref name="destination"/>; shapes are equal, strides are free. float32 and bfloat16 become one
    /// another, rounded to nearest, ties to even.
    /// </summary>
    public static void Copy(Tensor source, Tensor destination)
    {
        Check("copy", source, destination);
        if (source.Device.IsCuda)
        {
            CopyCuda(source, destination);
        }
        else
        {
            CopyCpu(source, destination);
        }
    }

    /// <summary>
    /// Adds to <paramref name="destination"/>; shapes are equal, strides are free. float32, or on CUDA also bfloat16
    /// and one of each.
    /// </summary>
    public static void Add(Tensor source, Tensor destination)
    {
        Check("add", source, destination);
        if (source.Device.IsCuda)
        {
            AddCuda(source, destination);
        }
        else
        {
            AddCpu(source, destination);
        }
    }

    /// <summary>Sets all elements to zero; strides are free.</summary>
    public static void Clear(Tensor destination)
    {
        if (destination.Device.IsCuda)
        {
            ClearCuda(destination);
        }
        else
        {
            ClearCpu(destination);
        }
    }

    /// <summary>Whether no element (float32 or bfloat16) is an infinity or a NaN. Waits for the device.</summary>
    public static bool IsFinite(Tensor tensor)
    {
        if (tensor.Device.IsCuda)
        {
            return IsFiniteCuda(tensor);
        }

        using var scope = new TensorScope();
        return IsFiniteCpu(tensor.To(DType.Float32));
    }

    private static void Check(string op, Tensor source, Tensor destination)
    {
        bool converts = source.DType != DType.Int32 && destination.DType != DType.Int32;
        if (source.Shape != destination.Shape || (source.DType != destination.DType && !converts))
        {
            throw new TensorException(
                op, $"{source.DType.Name()} {source.Shape} does not fit {destination.DType.Name()} {destination.Shape}.", source, destination);
        }

        OpArguments.OneDevice(op, source, destination);
    }
}
