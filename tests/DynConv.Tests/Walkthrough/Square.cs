namespace DynConv.Ops;

/// <summary>The square of each element.</summary>
public static partial class Square
{
    /// <summary><c>y = x²</c>.</summary>
    /// <param name="x">float32, or bfloat16 on CUDA, any shape and strides.</param>
    /// <returns>A tensor of x's shape.</returns>
    /// <exception cref="TensorException">x holds whole numbers.</exception>
    public static Tensor Apply(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        OpArguments.Floating("square", x);
        Tensor y = Tensor.Empty(x.Shape, x.DType, x.Device);
        if (x.Device.IsCuda)
        {
            ForwardCuda(x, y);
        }
        else
        {
            ForwardCpu(x, y);
        }

        return Tape.Record("square", y, [x], [x], static g =>
        {
            GradientTarget dx = g.Target(0);
            if (dx.Tensor.Device.IsCuda)
            {
                BackwardCuda(g.Saved(0), g.Gradient(0)!, dx.Tensor, dx.Accumulate);
            }
            else
            {
                BackwardCpu(g.Saved(0), g.Gradient(0)!, dx.Tensor, dx.Accumulate);
            }
        });
    }
}
