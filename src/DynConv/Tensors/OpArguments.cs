namespace DynConv;

/// <summary>Checks that most ops share.</summary>
internal static class OpArguments
{
    /// <summary>All tensors hold float32 and live on one device.</summary>
    public static void Float32(string op, params ReadOnlySpan<Tensor> tensors)
    {
        foreach (Tensor tensor in tensors)
        {
            if (tensor.DType != DType.Float32)
            {
                throw new TensorException(op, $"float32 is needed, not {tensor.DType.Name()}.", tensors!);
            }
        }

        OneDevice(op, tensors);
    }

    /// <summary>All tensors hold one floating-point type that their one device computes in.</summary>
    public static void Floating(string op, params ReadOnlySpan<Tensor> tensors)
    {
        foreach (Tensor tensor in tensors)
        {
            if (tensor.DType != tensors[0].DType)
            {
                throw new TensorException(
                    op, $"tensors hold {tensors[0].DType.Name()} and {tensor.DType.Name()}; one type is needed.", tensors!);
            }
        }

        OneDevice(op, tensors);
        Computable(op, tensors[0]);
    }

    /// <summary>A parameter holds float32 or what <paramref name="x"/> holds, on its device.</summary>
    public static void Weight(string op, string name, Tensor weight, Tensor x)
    {
        if (weight.DType != DType.Float32 && weight.DType != x.DType)
        {
            string allowed = x.DType == DType.Float32 ? "float32" : $"float32 or {x.DType.Name()}";
            throw new TensorException(op, $"{name} has to hold {allowed}, not {weight.DType.Name()}.", weight, x);
        }

        OneDevice(op, x, weight);
    }

    private static void Computable(string op, Tensor tensor)
    {
        if (tensor.DType == DType.Int32)
        {
            throw new TensorException(op, "float32 or bfloat16 is needed, not int32.", tensor);
        }

        if (tensor.DType == DType.BFloat16 && !tensor.Device.IsCuda)
        {
            throw new TensorException(op, "the CPU computes in float32, and this is bfloat16.", tensor);
        }
    }

    /// <summary>All tensors live on one device.</summary>
    public static void OneDevice(string op, params ReadOnlySpan<Tensor> tensors)
    {
        foreach (Tensor tensor in tensors)
        {
            if (!ReferenceEquals(tensor.Device, tensors[0].Device))
            {
                throw new TensorException(op, $"tensors lie on {tensors[0].Device} and on {tensor.Device}.", tensors!);
            }
        }
    }

    /// <summary>Two tensors have one shape.</summary>
    public static void SameShape(string op, Tensor a, Tensor b)
    {
        if (a.Shape != b.Shape)
        {
            throw new TensorException(op, $"shapes {a.Shape} and {b.Shape} differ.", a, b);
        }
    }

    /// <summary>A dimension counted from the outermost, given one that may be counted from the innermost as -1.</summary>
    public static int Dimension(string op, Tensor tensor, int dimension)
    {
        int index = dimension < 0 ? dimension + tensor.Rank : dimension;
        return index >= 0 && index < tensor.Rank
            ? index
            : throw new TensorException(op, $"shape {tensor.Shape} has no dimension {dimension}.", tensor);
    }

    /// <summary>The tensor has just so many dimensions.</summary>
    public static void Rank(string op, string name, Tensor tensor, int rank, string layout)
    {
        if (tensor.Rank != rank)
        {
            throw new TensorException(op, $"{name} has to be {layout}, not {tensor.Shape}.", tensor);
        }
    }
}
