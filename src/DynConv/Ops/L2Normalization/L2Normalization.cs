namespace DynConv.Ops;

/// <summary>Vectors of norm 1, as the gated delta rule wants its queries and keys.</summary>
public static partial class L2Normalization
{
    private const string Op = "l2_norm";

    /// <summary><c>y = x / sqrt(sum of x^2 over the last dimension + epsilon)</c>.</summary>
    /// <param name="x"><c>[..., D]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="epsilon">Added to the sum of squares; at least 0.</param>
    /// <returns>The shape of <paramref name="x"/>, contiguous.</returns>
    /// <remarks>
    /// <see cref="RmsNormalization"/> with a weight of <c>1 / sqrt(D)</c> and <c>epsilon / D</c> is the same: with <see cref="Scale"/>, a
    /// layer saves making that weight each time.
    /// </remarks>
    /// <exception cref="TensorException">x holds whole numbers, or epsilon is negative.</exception>
    public static Tensor Apply(Tensor x, float epsilon = 1e-6f)
    {
        ArgumentNullException.ThrowIfNull(x);
        using var scope = new TensorScope();
        using Tensor scale = Scale(LengthOf(x), x.Device);
        return scope.Keep(Apply(x, scale, epsilon));
    }

    /// <summary>The same with a scale that is there.</summary>
    /// <param name="x"><c>[..., D]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="scale">Of <see cref="Scale"/> for D.</param>
    /// <param name="epsilon">Added to the sum of squares; at least 0.</param>
    /// <returns>The shape of <paramref name="x"/>, contiguous.</returns>
    /// <exception cref="TensorException">x holds whole numbers, or epsilon is negative.</exception>
    public static Tensor Apply(Tensor x, Tensor scale, float epsilon = 1e-6f)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(scale);
        RmsNormalization.Check(Op, x, scale, epsilon);
        return RmsNormalization.Apply(x, scale, epsilon / Math.Max(1, LengthOf(x)));
    }

    /// <summary>The scale that makes a root mean square a norm, <c>1 / sqrt(D)</c>.</summary>
    /// <param name="length">D.</param>
    /// <param name="device">Where it lives.</param>
    /// <returns>float32 <c>[D]</c>; the caller's.</returns>
    public static Tensor Scale(long length, Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return Tensor.Full([length], (float)(1 / Math.Sqrt(Math.Max(1, length))), device: device);
    }

    private static long LengthOf(Tensor x) => x.Rank > 0
        ? x.Shape[^1]
        : throw new TensorException(Op, "x has to be [..., D], and is a single number.", x);
}
