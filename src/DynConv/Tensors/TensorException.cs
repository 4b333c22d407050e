namespace DynConv;

/// <summary>An op was given a tensor whose shape, strides, dtype or device it cannot take.</summary>
public sealed class TensorException : ArgumentException
{
    /// <summary>Creates the failure.</summary>
    /// <param name="op">The op's name, as in <c>rms_norm</c>.</param>
    /// <param name="problem">What is wrong, without the op's name.</param>
    /// <param name="tensors">The tensors concerned.</param>
    public TensorException(string op, string problem, params ReadOnlySpan<Tensor?> tensors)
        : base(DynConvException.OneLine($"{op}: {problem}"))
    {
        Op = op;
        var shapes = new List<Shape>();
        var dtypes = new List<DType>();
        foreach (Tensor? tensor in tensors)
        {
            if (tensor is not null)
            {
                shapes.Add(tensor.Shape);
                dtypes.Add(tensor.DType);
            }
        }

        Shapes = shapes;
        DTypes = dtypes;
    }

    /// <summary>The op that refused.</summary>
    public string Op { get; }

    /// <summary>Shapes of the tensors concerned.</summary>
    public IReadOnlyList<Shape> Shapes { get; }

    /// <summary>Element types of the tensors concerned.</summary>
    public IReadOnlyList<DType> DTypes { get; }
}
