namespace DynConv.Ops;

/// <summary>Root mean square normalisation (Zhang and Sennrich 2019).</summary>
public static partial class RmsNormalization
{
    /// <summary><c>y = x / sqrt(mean of x^2 over the last dimension + epsilon) * weight</c>.</summary>
    /// <param name="x"><c>[..., D]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="weight"><c>[D]</c>, float32 or the type of <paramref name="x"/>: the scale itself, not its distance from 1.</param>
    /// <param name="epsilon">Added to the mean square; at least 0.</param>
    /// <returns>The shape of <paramref name="x"/>, contiguous.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Apply(Tensor x, Tensor weight, float epsilon)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        OpArguments.Floating("rms_norm", x);
        OpArguments.Weight("rms_norm", "the weight", weight, x);
        if (x.Rank < 1 || weight.Rank != 1 || weight.Shape[0] != x.Shape[^1])
        {
            throw new TensorException(
                "rms_norm", $"a weight of shape {weight.Shape} does not fit x of shape {x.Shape}.", x, weight);
        }

        if (!(epsilon >= 0))
        {
            throw new TensorException("rms_norm", $"epsilon has to be at least 0, and {epsilon} is not.", x);
        }

        using var scope = new TensorScope();
        x = RowLayout.Of(x);
        weight = RowLayout.Of(weight);
        Tensor y = Tensor.Empty(x.Shape, x.DType, x.Device);
        Tensor inverseRms = Tensor.Empty(x.Shape[..^1], DType.Float32, x.Device);
        if (x.Device.IsCuda)
        {
            ForwardCuda(x, weight, epsilon, y, inverseRms);
        }
        else
        {
            ForwardCpu(x, weight, epsilon, y, inverseRms);
        }

        return scope.Keep(Tape.Record("rms_norm", y, [x, weight], [x, weight, inverseRms], static g =>
        {
            Tensor dy = RowLayout.Of(g.Gradient(0)!);
            (Tensor x, Tensor weight, Tensor inverseRms) = (g.Saved(0), g.Saved(1), g.Saved(2));
            using var gradients = new GradientPlaces(g);
            GradientRows dx = gradients.Rows(0, innerDimensions: 1);
            GradientRows dweight = gradients.Rows(1, innerDimensions: 1);
            if (x.Device.IsCuda)
            {
                BackwardCuda(dy, x, weight, inverseRms, dx, dweight);
            }
            else
            {
                BackwardCpu(dy, x, weight, inverseRms, dx, dweight);
            }
        }));
    }
}
