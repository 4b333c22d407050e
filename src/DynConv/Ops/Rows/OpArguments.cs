namespace DynConv.Ops;

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

    /// <summary>The tensor has just so many dimensions.</summary>
    public static void Rank(string op, string name, Tensor tensor, int rank, string layout)
    {
        if (tensor.Rank != rank)
        {
            throw new TensorException(op, $"{name} has to be {layout}, not {tensor.Shape}.", tensor);
        }
    }
}
