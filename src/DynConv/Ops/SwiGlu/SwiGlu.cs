namespace DynConv.Ops;

/// <summary>The gate of a SwiGLU feed-forward layer.</summary>
public static partial class SwiGlu
{
    /// <summary>
    /// <c>silu(gate) * up</c>, with <c>silu(z) = z / (1 + e^-z)</c> (Shazeer 2020, "GLU Variants Improve Transformer").
    /// </summary>
    /// <param name="gate">float32, or bfloat16 on CUDA, any shape and strides; often one half of a wider projection.</param>
    /// <param name="up">The same shape.</param>
    /// <returns>The same shape, contiguous.</returns>
    /// <exception cref="TensorException">The shapes differ or dtypes do not fit.</exception>
    public static Tensor Apply(Tensor gate, Tensor up)
    {
        ArgumentNullException.ThrowIfNull(gate);
        ArgumentNullException.ThrowIfNull(up);
        OpArguments.SameShape("swiglu", gate, up);
        OpArguments.Floating("swiglu", gate, up);
        Tensor y = Tensor.Empty(gate.Shape, gate.DType, gate.Device);
        if (gate.Device.IsCuda)
        {
            ForwardCuda(gate, up, y);
        }
        else
        {
            ForwardCpu(gate, up, y);
        }

        return Tape.Record("swiglu", y, [gate, up], [gate, up], static g =>
        {
            (Tensor gate, Tensor up) = (g.Saved(0), g.Saved(1));

            // Both gradients come out of one pass.
            using var gradients = new GradientPlaces(g);
            GradientRows dgate = gradients.Rows(0, innerDimensions: 0);
            GradientRows dup = gradients.Rows(1, innerDimensions: 0);
            if (gate.Device.IsCuda)
            {
                BackwardCuda(g.Gradient(0)!, gate, up, dgate, dup);
            }
            else
            {
                BackwardCpu(g.Gradient(0)!, gate, up, dgate, dup);
            }
        });
    }
}
