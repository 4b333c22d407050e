namespace DynConv.Ops;

/// <summary>Sums and means, of all elements or along one dimension, for float32, or bfloat16 on CUDA.</summary>
public static partial class Reduction
{
    /// <summary>The sum of all elements, float32 <c>[]</c>; partial sums are float64 and add up in a fixed order.</summary>
    /// <param name="x">Values, any shape and strides; the sum of none is 0.</param>
    public static Tensor Sum(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        OpArguments.Floating("sum", x);
        Tensor sum = Tensor.Empty([], DType.Float32, x.Device);
        RepeatedSums.All(x, sum);
        Shape shape = x.Shape;
        return Tape.Record("sum", sum, [x], [], g => g.Add(0, g.Gradient(0)!.Repeat(shape)));
    }

    /// <summary>The sums along one dimension, in float32, rounded to the type of <paramref name="x"/>.</summary>
    /// <param name="x">Values, any shape and strides; the sum of none is 0.</param>
    /// <param name="dimension">Which dimension; -1 is the innermost.</param>
    /// <param name="keepDimension">Whether the dimension stays, with length 1.</param>
    /// <exception cref="TensorException">There is no such dimension.</exception>
    public static Tensor Sum(Tensor x, int dimension, bool keepDimension = false)
    {
        ArgumentNullException.ThrowIfNull(x);
        OpArguments.Floating("sum", x);
        int index = OpArguments.Dimension("sum", x, dimension);
        using var scope = new TensorScope();
        Shape kept = x.Shape.With(index, 1);
        Tensor sum = x.Shape == kept ? x.Detach().Clone() : RepeatedSums.To(x.Detach(), kept);
        Tensor result = keepDimension ? sum : sum.Reshape([.. x.Shape.Dimensions[..index], .. x.Shape.Dimensions[(index + 1)..]]);
        Shape shape = x.Shape;
        return scope.Keep(Tape.Record(
            "sum", result, [x], [], g => g.Add(0, g.Gradient(0)!.Reshape(kept.Dimensions).Repeat(shape))));
    }

    /// <summary>The mean of all elements, float32 <c>[]</c>.</summary>
    /// <param name="x">At least one value, any shape and strides.</param>
    /// <exception cref="TensorException">There are no elements.</exception>
    public static Tensor Mean(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        using var scope = new TensorScope();
        return scope.Keep(Elementwise.Scale(Sum(x), Share(x, x.Count)));
    }

    /// <summary>The means along one dimension.</summary>
    /// <param name="x">Values, any shape and strides.</param>
    /// <param name="dimension">Which dimension, at least 1 long; -1 is the innermost.</param>
    /// <param name="keepDimension">Whether the dimension stays, with length 1.</param>
    /// <exception cref="TensorException">There is no such dimension, or it is empty.</exception>
    public static Tensor Mean(Tensor x, int dimension, bool keepDimension = false)
    {
        ArgumentNullException.ThrowIfNull(x);
        using var scope = new TensorScope();
        float share = Share(x, x.Shape[OpArguments.Dimension("mean", x, dimension)]);
        return scope.Keep(Elementwise.Scale(Sum(x, dimension, keepDimension), share));
    }

    private static float Share(Tensor x, long count) =>
        count > 0 ? 1f / count : throw new TensorException("mean", $"shape {x.Shape} has no elements.", x);
}
