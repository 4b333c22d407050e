namespace DynConv.Ops;

/// <summary>What a linear layer adds to every row of its result.</summary>
public static partial class Bias
{
    /// <summary><c>y = x + bias</c>, the same bias for each row of the last dimension.</summary>
    /// <param name="x"><c>[..., D]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="bias"><c>[D]</c>, float32 or the type of <paramref name="x"/>, any stride.</param>
    /// <returns>The shape and type of <paramref name="x"/>, contiguous.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Add(Tensor x, Tensor bias)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(bias);
        OpArguments.Floating("bias", x);
        OpArguments.Weight("bias", "the bias", bias, x);
        if (x.Rank < 1 || bias.Rank != 1 || bias.Shape[0] != x.Shape[^1])
        {
            throw new TensorException("bias", $"a bias of shape {bias.Shape} does not fit x of shape {x.Shape}.", x, bias);
        }

        using var scope = new TensorScope();
        Tensor y = Tensor.Empty(x.Shape, x.DType, x.Device);
        Tensor rows = bias.Repeat(x.Shape);
        if (x.Device.IsCuda)
        {
            ForwardCuda(x, rows, y);
        }
        else
        {
            Elementwise.AddCpu(x, rows, y);
        }

        return scope.Keep(Tape.Record("bias", y, [x, bias], [], static g =>
        {
            SumRows(g);
            g.Add(0, g.Gradient(0)!);
        }));
    }

    private static void SumRows(BackwardContext g)
    {
        using var gradients = new GradientPlaces(g);
        ColumnSums.Into(g.Gradient(0)!, gradients.Rows(1, innerDimensions: 1));
    }
}
