namespace DynConv.Ops;

/// <summary>The size of a model's gradient, for clipping.</summary>
public static partial class GradientNorm
{
    /// <summary>
    /// The sum of the squares of all elements of all tensors, of shape <c>[]</c>: the square of their common L2 norm.
    /// Partial sums are float64 and add up in the order given, the same for any number of threads.
    /// </summary>
    /// <param name="gradients">float32 tensors of any shapes and strides, on one device; at least one.</param>
    /// <exception cref="TensorException">A dtype or device does not fit.</exception>
    public static Tensor SquaredSum(params ReadOnlySpan<Tensor> gradients)
    {
        if (gradients.IsEmpty)
        {
            throw new DynConvException("A gradient norm needs at least one tensor.");
        }

        OpArguments.Float32("gradient_norm", gradients);
        Tensor sum = Tensor.Empty([], DType.Float32, gradients[0].Device);
        SquaredSumCpu(gradients, sum);
        return sum;
    }

    /// <summary>The factor that brings a gradient down to a norm, and 1 for one that is not above it.</summary>
    /// <param name="squaredSum">What <see cref="SquaredSum"/> gave, read on the host.</param>
    /// <param name="maximumNorm">The largest norm allowed, above 0.</param>
    public static float ClipFactor(float squaredSum, float maximumNorm)
    {
        float norm = MathF.Sqrt(squaredSum);
        return norm > maximumNorm ? maximumNorm / norm : 1f;
    }
}
