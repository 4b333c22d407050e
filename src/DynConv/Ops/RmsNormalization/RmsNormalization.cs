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
        Check("rms_norm", x, weight, epsilon);
        using var scope = new TensorScope();
        x = RowLayout.Of(x);
        weight = RowLayout.Of(weight);
        Tensor y = Tensor.Empty(x.Shape, x.DType, x.Device);
        Tensor inverseRms = Tensor.Empty(x.Shape[..^1], DType.Float32, x.Device);
        if (x.Device.IsCuda)
        {
            ForwardCuda(x, null, weight, epsilon, y, null, inverseRms);
        }
        else
        {
            ForwardCpu(x, weight, epsilon, y, inverseRms);
        }

        return scope.Keep(Tape.Record("rms_norm", y, [x, weight], [x, weight, inverseRms], static g =>
        {
            using var gradients = new GradientPlaces(g);
            GradientRows dx = gradients.Rows(0, innerDimensions: 1);
            Backward(
                g.Gradient(0)!, g.Saved(0), g.Saved(1), g.Saved(2), dx.Accumulate ? dx.Tensor : null, dx.Tensor, gradients.Rows(1, innerDimensions: 1));
        }));
    }

    /// <summary>
    /// A residual connection and the norm behind it, in one pass over memory on CUDA each way: <c>sum = x + added</c>, rounded to
    /// its type, and <c>y</c> of it as <see cref="Apply"/> computes it. Bit by bit what the two ops give one after the other.
    /// </summary>
    /// <param name="x"><c>[..., D]</c>, float32, or bfloat16 on CUDA, any strides: the residual stream.</param>
    /// <param name="added">What is added to it, of its shape, any strides.</param>
    /// <param name="weight"><c>[D]</c>, float32 or the type of <paramref name="x"/>: the scale itself, not its distance from 1.</param>
    /// <param name="epsilon">Added to the mean square; at least 0.</param>
    /// <returns>The sum, and its norm; both of the shape of <paramref name="x"/>, contiguous.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static (Tensor Sum, Tensor Y) ApplyToSum(Tensor x, Tensor added, Tensor weight, float epsilon)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(added);
        ArgumentNullException.ThrowIfNull(weight);
        OpArguments.Floating("add_rms_norm", x, added);
        OpArguments.SameShape("add_rms_norm", x, added);
        Check("add_rms_norm", x, weight, epsilon);
        using var scope = new TensorScope();
        (x, added, weight) = (RowLayout.Of(x), RowLayout.Of(added), RowLayout.Of(weight));
        Tensor sum = Tensor.Empty(x.Shape, x.DType, x.Device);
        Tensor y = Tensor.Empty(x.Shape, x.DType, x.Device);
        Tensor inverseRms = Tensor.Empty(x.Shape[..^1], DType.Float32, x.Device);
        if (x.Device.IsCuda)
        {
            ForwardCuda(x, added, weight, epsilon, y, sum, inverseRms);
        }
        else
        {
            Elementwise.AddTo(x, added, sum, factor: 1);
            BFloat16Rounding.Values([sum]);
            ForwardCpu(sum, weight, epsilon, y, inverseRms);
        }

        Tape.Record("add_rms_norm", [sum, y], [x, added, weight], [sum, weight, inverseRms], static g =>
        {
            Tensor? gradient = g.Gradient(0);
            if (g.Gradient(1) is { } dy)
            {
                Tensor? elsewhere = gradient;
                gradient = g.Needs(0) || g.Needs(1) ? Tensor.Empty(dy.Shape, dy.DType, dy.Device) : null;
                using var gradients = new GradientPlaces(g);
                Backward(dy, g.Saved(0), g.Saved(1), g.Saved(2), elsewhere, gradient, gradients.Rows(2, innerDimensions: 1));
            }

            if (gradient is not null)
            {
                g.Add(0, gradient);
                g.Add(1, gradient);
            }
        });
        return (scope.Keep(sum), scope.Keep(y));
    }

    internal static void Check(string op, Tensor x, Tensor weight, float epsilon)
    {
        OpArguments.Floating(op, x);
        OpArguments.Weight(op, "the weight", weight, x);
        if (x.Rank < 1 || weight.Rank != 1 || weight.Shape[0] != x.Shape[^1])
        {
            throw new TensorException(
                op, $"a weight of shape {weight.Shape} does not fit x of shape {x.Shape}.", x, weight);
        }

        if (!(epsilon >= 0))
        {
            throw new TensorException(op, $"epsilon has to be at least 0, and {epsilon} is not.", x);
        }
    }

    /// <param name="dy">The gradient of the norm.</param>
    /// <param name="x">What was normalised.</param>
    /// <param name="weight">The scale.</param>
    /// <param name="inverseRms">Of each row of <paramref name="x"/>.</param>
    /// <param name="elsewhere">The gradient of <paramref name="x"/> from elsewhere; null for none.</param>
    /// <param name="dx">Takes the sum of it and of what the norm adds; may be <paramref name="elsewhere"/> itself, or null.</param>
    /// <param name="dweight">Where the scale's gradient goes.</param>
    private static void Backward(
        Tensor dy, Tensor x, Tensor weight, Tensor inverseRms, Tensor? elsewhere, Tensor? dx, GradientRows dweight)
    {
        dy = RowLayout.Of(dy);
        elsewhere = elsewhere is null ? null : RowLayout.Of(elsewhere);
        if (x.Device.IsCuda)
        {
            BackwardCuda(dy, x, weight, inverseRms, elsewhere, dx, dweight);
        }
        else
        {
            BackwardCpu(dy, x, weight, inverseRms, elsewhere, dx, dweight);
        }
    }
}
