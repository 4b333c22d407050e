namespace DynConv.Ops;

/// <summary>The few element by element ops and reductions that models and losses are joined with, for float32, or bfloat16 on CUDA.</summary>
public static partial class Elementwise
{
    /// <summary><c>a + b</c>, of one shape, any strides: a residual connection.</summary>
    /// <param name="a">First summand.</param>
    /// <param name="b">Second summand.</param>
    /// <exception cref="TensorException">The shapes differ.</exception>
    public static Tensor Add(Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        OpArguments.SameShape("add", a, b);
        OpArguments.Floating("add", a, b);
        Tensor sum = Tensor.Empty(a.Shape, a.DType, a.Device);
        AddTo(a, b, sum);
        return Tape.Record("add", sum, [a, b], [], static g =>
        {
            g.Add(0, g.Gradient(0)!);
            g.Add(1, g.Gradient(0)!);
        });
    }

    /// <summary><c>a * b</c>, element by element, of one shape, any strides.</summary>
    /// <param name="a">First factor.</param>
    /// <param name="b">Second factor.</param>
    /// <exception cref="TensorException">The shapes differ.</exception>
    public static Tensor Multiply(Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        OpArguments.SameShape("multiply", a, b);
        OpArguments.Floating("multiply", a, b);
        Tensor product = Tensor.Empty(a.Shape, a.DType, a.Device);
        MultiplyTo(a, b, product, accumulate: false);
        return Tape.Record("multiply", product, [a, b], [a, b], static g =>
        {
            for (int input = 0; input < 2; input++)
            {
                if (g.Needs(input))
                {
                    (Tensor target, bool accumulate) = g.Target(input);
                    MultiplyTo(g.Gradient(0)!, g.Saved(1 - input), target, accumulate);
                }
            }
        });
    }

    /// <summary><c>factor * x</c>, any strides.</summary>
    /// <param name="x">Values.</param>
    /// <param name="factor">One number for all of them.</param>
    public static Tensor Scale(Tensor x, float factor)
    {
        ArgumentNullException.ThrowIfNull(x);
        OpArguments.Floating("scale", x);
        Tensor scaled = Tensor.Empty(x.Shape, x.DType, x.Device);
        ScaleTo(x, factor, scaled, accumulate: false);
        return Tape.Record("scale", scaled, [x], [], g =>
        {
            (Tensor target, bool accumulate) = g.Target(0);
            ScaleTo(g.Gradient(0)!, factor, target, accumulate);
        });
    }

    /// <summary>The sum of all elements, float32 <c>[]</c>; partial sums are float64 and add up in a fixed order.</summary>
    /// <param name="x">Values, any shape and strides; the sum of none is 0.</param>
    public static Tensor Sum(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        OpArguments.Floating("sum", x);
        Tensor sum = Tensor.Empty([], DType.Float32, x.Device);
        if (x.Device.IsCuda)
        {
            TensorSums.Sum([x], squares: false, sum);
        }
        else
        {
            SumCpu(x, sum);
        }

        Shape shape = x.Shape;
        return Tape.Record("sum", sum, [x], [], g => g.Add(0, g.Gradient(0)!.Expand(shape)));
    }

    /// <summary>The mean of all elements, float32 <c>[]</c>.</summary>
    /// <param name="x">At least one value, any shape and strides.</param>
    /// <exception cref="TensorException">There are no elements.</exception>
    public static Tensor Mean(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.Count == 0)
        {
            throw new TensorException("mean", $"shape {x.Shape} has no elements.", x);
        }

        using var scope = new TensorScope();
        return scope.Keep(Scale(Sum(x), 1f / x.Count));
    }

    private static void AddTo(Tensor a, Tensor b, Tensor sum)
    {
        if (a.Device.IsCuda)
        {
            AddCuda(a, b, sum);
        }
        else
        {
            AddCpu(a, b, sum);
        }
    }

    private static void MultiplyTo(Tensor a, Tensor b, Tensor product, bool accumulate)
    {
        if (a.Device.IsCuda)
        {
            MultiplyCuda(a, b, product, accumulate);
        }
        else
        {
            MultiplyCpu(a, b, product, accumulate);
        }
    }

    private static void ScaleTo(Tensor x, float factor, Tensor scaled, bool accumulate)
    {
        if (x.Device.IsCuda)
        {
            ScaleCuda(x, factor, scaled, accumulate);
        }
        else
        {
            ScaleCpu(x, factor, scaled, accumulate);
        }
    }
}
