namespace DynConv.Ops;

/// <summary>The size of a model's gradient, for clipping.</summary>
public static partial class GradientNorm
{
    /// <summary>
    /// The sum of the squares of all elements of all tensors, float32 <c>[]</c>: the square of their common L2 norm.
    /// Partial sums are float64 and add up in a fixed order, the same for any number of threads.
    /// </summary>
    /// <param name="gradients">float32 tensors, or on CUDA also bfloat16, of any shapes and strides, on one device; at least one.</param>
    /// <exception cref="TensorException">A dtype or device does not fit.</exception>
    public static Tensor SquaredSum(params ReadOnlySpan<Tensor> gradients)
    {
        if (gradients.IsEmpty)
        {
            throw new ArgumentException("A gradient norm needs at least one tensor.", nameof(gradients));
        }

        OpArguments.OneDevice("gradient_norm", gradients);
        foreach (Tensor gradient in gradients)
        {
            OpArguments.Floating("gradient_norm", gradient);
        }

        Tensor sum = Tensor.Empty([], DType.Float32, gradients[0].Device);
        if (sum.Device.IsCuda)
        {
            TensorSums.Sum(gradients, squares: true, sum);
        }
        else
        {
            SquaredSumCpu(gradients, sum);
        }

        return sum;
    }

    /// <summary>
    /// <c>scale * min(1, maximumNorm / (scale * norm))</c>: the factor for a gradient that <paramref name="scale"/> makes
    /// a mean, and that is brought down to a norm where it is above it. Computed on the device, which nobody waits for.
    /// </summary>
    /// <param name="squaredSum">What <see cref="SquaredSum"/> gave: the squared norm before scaling.</param>
    /// <param name="maximumNorm">The largest norm allowed, above 0; infinity for no limit.</param>
    /// <param name="scale">Factor of the gradient before its norm is looked at, above 0.</param>
    /// <returns>
    /// float32 <c>[]</c> on the same device, for <see cref="AdamW.Step"/>; NaN where the norm is not finite.
    /// </returns>
    /// <exception cref="TensorException">The sum is not float32 <c>[]</c>, or a number is not above 0.</exception>
    public static Tensor ClipScale(Tensor squaredSum, float maximumNorm, float scale = 1f)
    {
        ArgumentNullException.ThrowIfNull(squaredSum);
        OpArguments.Float32("gradient_norm", squaredSum);
        OpArguments.Rank("gradient_norm", "the squared sum", squaredSum, 0, "[]");
        if (!(maximumNorm > 0 && scale > 0))
        {
            throw new TensorException(
                "gradient_norm", $"norm and scale have to be above 0, not {maximumNorm} and {scale}.", squaredSum);
        }

        Tensor factor = Tensor.Empty([], DType.Float32, squaredSum.Device);
        if (factor.Device.IsCuda)
        {
            ClipScaleCuda(squaredSum, maximumNorm, scale, factor);
        }
        else
        {
            ClipScaleCpu(squaredSum, maximumNorm, scale, factor);
        }

        return factor;
    }
}
