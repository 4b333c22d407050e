namespace DynConv.Ops;

/// <summary>The gate of a SwiGLU feed-forward layer.</summary>
public static partial class SwiGlu
{
    /// <summary>
    /// <c>silu(gate) * up</c>, with <c>silu(z) = z / (1 + e^-z)</c> (Shazeer 2020, "GLU Variants Improve Transformer").
    /// </summary>
    /// <param name="gate">float32, any shape and strides; often one half of a wider projection.</param>
    /// <param name="up">The same shape.</param>
    /// <returns>The same shape, contiguous.</returns>
    /// <exception cref="TensorException">The shapes differ or are not of float32.</exception>
    public static Tensor Apply(Tensor gate, Tensor up)
    {
        OpArguments.SameShape("swiglu", gate, up);
        OpArguments.Float32("swiglu", gate, up);
        Tensor y = Tensor.Empty(gate.Shape, gate.DType, gate.Device);
        ForwardCpu(gate, up, y);
        return Tape.Record("swiglu", y, [gate, up], [gate, up], static g =>
        {
            (Tensor gate, Tensor up) = (g.Saved(0), g.Saved(1));

            // Both gradients come out of one pass; one that nobody wants goes nowhere.
            using GradientRows dgate = GradientRows.Of(g, 0, innerDimensions: 0);
            using GradientRows dup = GradientRows.Of(g, 1, innerDimensions: 0, first: dgate);
            BackwardCpu(
                g.Gradient(0)!,
                gate,
                up,
                dgate.Tensor ?? Nowhere(gate),
                dgate.Accumulate,
                dup.Tensor ?? Nowhere(up),
                dup.Accumulate);
        });
    }

    private static Tensor Nowhere(Tensor like) => Tensor.Empty(like.Shape, like.DType, like.Device);
}
