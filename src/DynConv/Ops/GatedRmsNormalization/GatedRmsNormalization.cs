namespace DynConv.Ops;

/// <summary>A norm and a gate behind a recurrence, in either order.</summary>
public static partial class GatedRmsNormalization
{
    private const string Op = "gated_rms_norm";

    /// <summary>
    /// <c>norm(x) * silu(gate)</c> as in Gated DeltaNet (Yang et al. 2024), or <c>norm(x * silu(gate))</c> as in Mamba-2 (Dao and Gu 2024).
    /// </summary>
    /// <param name="x"><c>[..., D]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="gate">The shape of <paramref name="x"/>, any strides.</param>
    /// <param name="weight"><c>[D]</c>, float32 or the type of <paramref name="x"/>: the scale of the norm itself.</param>
    /// <param name="epsilon">Added to the mean square; at least 0.</param>
    /// <param name="gateFirst">Whether what is normalised is gated already.</param>
    /// <returns>The shape of <paramref name="x"/>, contiguous; differentiable in all tensors.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Apply(Tensor x, Tensor gate, Tensor weight, float epsilon, bool gateFirst)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(gate);
        ArgumentNullException.ThrowIfNull(weight);
        OpArguments.Floating(Op, x, gate);
        OpArguments.SameShape(Op, x, gate);
        RmsNormalization.Check(Op, x, weight, epsilon);
        using var scope = new TensorScope();
        return scope.Keep(gateFirst
            ? RmsNormalization.Apply(SwiGlu.Apply(gate, x), weight, epsilon)
            : SwiGlu.Apply(gate, RmsNormalization.Apply(x, weight, epsilon)));
    }
}
