namespace DynConv.Ops;

/// <summary>Shares that are positive and add up to 1.</summary>
public static partial class Softmax
{
    private const string Op = "softmax";

    /// <summary><c>e^x / sum of e^x</c> along one dimension; the largest x is taken off first, so that nothing overflows.</summary>
    /// <param name="x">float32, or bfloat16 on CUDA, any shape and strides. A row of negative infinities gives NaN.</param>
    /// <param name="dimension">Which dimension; -1 is the innermost.</param>
    /// <returns>The same shape; contiguous where the dimension is the innermost.</returns>
    /// <exception cref="TensorException">There is no such dimension, or a dtype does not fit.</exception>
    public static Tensor Apply(Tensor x, int dimension = -1)
    {
        ArgumentNullException.ThrowIfNull(x);
        OpArguments.Floating(Op, x);
        int index = OpArguments.Dimension(Op, x, dimension);
        using var scope = new TensorScope();
        return scope.Keep(index == x.Rank - 1
            ? Rows(x)
            : Rows(x.Transpose(index, -1)).Transpose(index, -1));
    }

    private static Tensor Rows(Tensor x)
    {
        Tensor rows = RowLayout.Of(x);
        Tensor y = Tensor.Empty(x.Shape, x.DType, x.Device);
        if (x.Device.IsCuda)
        {
            ForwardCuda(rows, y);
        }
        else
        {
            ForwardCpu(rows, y);
        }

        return Tape.Record(Op, y, [rows], [y], static g =>
        {
            Tensor dy = RowLayout.Of(g.Gradient(0)!);
            using var gradients = new GradientPlaces(g);
            GradientRows dx = gradients.Rows(0, innerDimensions: 1);
            if (dx.Tensor is null)
            {
                return;
            }

            if (dy.Device.IsCuda)
            {
                BackwardCuda(dy, g.Saved(0), dx.Tensor, dx.Accumulate);
            }
            else
            {
                BackwardCpu(dy, g.Saved(0), dx.Tensor, dx.Accumulate);
            }
        });
    }
}
