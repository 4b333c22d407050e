namespace DynConv.Ops;

/// <summary>QK-norm: root mean square normalisation of each head of queries and keys (Henry et al. 2020), before they turn.</summary>
public static partial class QkNorm
{
    private const string Op = "qk_norm";

    /// <summary>
    /// Each head normalised as <see cref="RmsNormalization"/> does, and turned by its position as <see cref="Rope"/> does: on CUDA queries and
    /// keys in one pass over memory each way.
    /// </summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="k">Keys <c>[B, T, Hkv, K]</c>, any strides.</param>
    /// <param name="queryScale">Scale of the queries, <c>[K]</c>, float32 or their type.</param>
    /// <param name="keyScale">Scale of the keys, <c>[K]</c>, of the same type.</param>
    /// <param name="epsilon">Added to the mean square; at least 0.</param>
    /// <param name="rotary">The angles, and where the tokens stand.</param>
    /// <returns>The shapes of <paramref name="q"/> and <paramref name="k"/>, contiguous.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or a position lies outside the table.</exception>
    public static (Tensor Q, Tensor K) Apply(
        Tensor q, Tensor k, Tensor queryScale, Tensor keyScale, float epsilon, RotaryPositions rotary)
    {
        ArgumentNullException.ThrowIfNull(q);
        ArgumentNullException.ThrowIfNull(k);
        ArgumentNullException.ThrowIfNull(queryScale);
        ArgumentNullException.ThrowIfNull(keyScale);
        ArgumentNullException.ThrowIfNull(rotary);
        OpArguments.Floating(Op, q, k);
        OpArguments.Floating(Op, queryScale, keyScale);
        RmsNormalization.Check(Op, q, queryScale, epsilon);
        RmsNormalization.Check(Op, k, keyScale, epsilon);
        Rope.CheckPositions(k, rotary.Table, rotary.Positions);
        using var scope = new TensorScope();
        (Tensor Q, Tensor K) turned;
        if (q.Device.IsCuda && q.Shape[3] <= LargestHead)
        {
            using RopeAngles angles = Rope.Angles(q, rotary.Table, rotary.Positions);
            turned = ApplyCuda([q, k], [queryScale, keyScale], epsilon, angles);
        }
        else
        {
            turned = Rope.Apply(
                RmsNormalization.Apply(q, queryScale, epsilon), RmsNormalization.Apply(k, keyScale, epsilon), rotary.Table, rotary.Positions);
        }

        return (scope.Keep(turned.Q), scope.Keep(turned.K));
    }
}
