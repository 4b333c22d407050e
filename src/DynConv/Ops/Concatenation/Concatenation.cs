namespace DynConv.Ops;

/// <summary>Tensors one after the other along a dimension.</summary>
public static class Concatenation
{
    private const string Op = "concatenation";

    /// <summary>Copies tensors into one, next to one another.</summary>
    /// <param name="dimension">Along which dimension; -1 is the innermost.</param>
    /// <param name="tensors">At least one, of one type and device and any strides, whose shapes differ in that dimension alone.</param>
    /// <returns>Their shape, with the sum of their lengths in that dimension; contiguous.</returns>
    /// <exception cref="ArgumentException">There are no tensors.</exception>
    /// <exception cref="TensorException">Shapes, types or devices do not fit together.</exception>
    public static Tensor Apply(int dimension, params ReadOnlySpan<Tensor> tensors)
    {
        if (tensors.IsEmpty)
        {
            throw new ArgumentException("A concatenation needs at least one tensor.", nameof(tensors));
        }

        Tensor first = tensors[0];
        ArgumentNullException.ThrowIfNull(first, nameof(tensors));
        int index = OpArguments.Dimension(Op, first, dimension);
        var lengths = new long[tensors.Length];
        for (int i = 0; i < tensors.Length; i++)
        {
            Tensor tensor = tensors[i];
            ArgumentNullException.ThrowIfNull(tensor, nameof(tensors));
            if (tensor.DType != first.DType || tensor.Rank != first.Rank || tensor.Shape.With(index, 0) != first.Shape.With(index, 0))
            {
                throw new TensorException(
                    Op, $"{first.DType.Name()} {first.Shape} and {tensor.DType.Name()} {tensor.Shape} do not fit next to one another along dimension {index}.", first, tensor);
            }

            lengths[i] = tensor.Shape[index];
        }

        OpArguments.OneDevice(Op, tensors);
        using var scope = new TensorScope();
        Tensor whole = Tensor.Empty(first.Shape.With(index, lengths.Sum()), first.DType, first.Device);
        long start = 0;
        foreach (Tensor tensor in tensors)
        {
            StridedCopy.Copy(tensor, whole.Slice(index, start, tensor.Shape[index]));
            start += tensor.Shape[index];
        }

        return scope.Keep(Tape.Record(Op, whole, [.. tensors], [], g =>
        {
            long start = 0;
            for (int i = 0; i < lengths.Length; i++)
            {
                g.Add(i, g.Gradient(0)!.Slice(index, start, lengths[i]));
                start += lengths[i];
            }
        }));
    }

    /// <summary>The op, of two tensors, as tests, conformance vectors and the benchmark run it; settings: <c>dimension</c>.</summary>
    public static OpDescription Description { get; } = new(
        Op,
        [new("a", "[N, D]"), new("b", "[N, D]")],
        [new("y", "[N, D*2]")],
        static call => [Apply((int)call.Number("dimension", -1), call["a"], call["b"])])
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };
}
