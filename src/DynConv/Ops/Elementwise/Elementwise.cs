namespace DynConv.Ops;

/// <summary>
/// Sums, products and quotients, element by element, for float32, or bfloat16 on CUDA. Shapes that differ are broadcast as
/// in NumPy: dimensions are matched from the innermost on, and those of length 1 or that are not there are repeated.
/// </summary>
public static partial class Elementwise
{
    /// <summary><c>a + b</c>.</summary>
    /// <param name="a">First summand, any strides.</param>
    /// <param name="b">Second summand, any strides.</param>
    /// <exception cref="TensorException">The shapes cannot be broadcast, or the dtypes do not fit.</exception>
    public static Tensor Add(Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        return a.Shape == b.Shape ? AddAlike(a, b) : Add("add", a, b, factor: 1);
    }

    /// <summary><c>a - b</c>.</summary>
    /// <param name="a">What is taken from, any strides.</param>
    /// <param name="b">What is taken off, any strides.</param>
    /// <exception cref="TensorException">The shapes cannot be broadcast, or the dtypes do not fit.</exception>
    public static Tensor Subtract(Tensor a, Tensor b) => Add("subtract", a, b, factor: -1);

    /// <summary><c>a * b</c>, element by element.</summary>
    /// <param name="a">First factor, any strides.</param>
    /// <param name="b">Second factor, any strides.</param>
    /// <exception cref="TensorException">The shapes cannot be broadcast, or the dtypes do not fit.</exception>
    public static Tensor Multiply(Tensor a, Tensor b)
    {
        using var scope = new TensorScope();
        var pair = BroadcastPair.Of("multiply", a, b);
        Tensor product = pair.Result();
        MultiplyTo(pair.A, pair.B, product, accumulate: false);
        return scope.Keep(Tape.Record("multiply", product, [a, b], [a, b], static g =>
        {
            for (int input = 0; input < 2; input++)
            {
                int other = 1 - input;
                BroadcastPair.Write(g, input, g.Saved(input).Shape, (target, accumulate) =>
                    MultiplyTo(g.Gradient(0)!, g.Saved(other).Repeat(target.Shape), target, accumulate));
            }
        }));
    }

    /// <summary><c>a / b</c>, element by element.</summary>
    /// <param name="a">Numerator, any strides.</param>
    /// <param name="b">Denominator, any strides.</param>
    /// <exception cref="TensorException">The shapes cannot be broadcast, or the dtypes do not fit.</exception>
    public static Tensor Divide(Tensor a, Tensor b)
    {
        using var scope = new TensorScope();
        var pair = BroadcastPair.Of("divide", a, b);
        Tensor quotient = pair.Result();
        DivideTo(pair.A, pair.B, quotient, accumulate: false);
        Shape shape = a.Shape;
        return scope.Keep(Tape.Record("divide", quotient, [a, b], [b, quotient], g =>
        {
            (Tensor dy, Tensor b, Tensor y) = (g.Gradient(0)!, g.Saved(0), g.Saved(1));
            BroadcastPair.Write(g, 0, shape, (target, accumulate) => DivideTo(dy, b.Repeat(y.Shape), target, accumulate));

            // The derivative of a / b in b is -(a / b) / b.
            BroadcastPair.Write(g, 1, b.Shape, (target, accumulate) =>
            {
                Tensor product = Tensor.Empty(y.Shape, y.DType, y.Device);
                MultiplyTo(dy, y, product, accumulate: false);
                ScaleTo(product, -1, 0, product, accumulate: false);
                DivideTo(product, b.Repeat(y.Shape), target, accumulate);
            });
        }));
    }

    /// <summary><c>factor * x + offset</c>.</summary>
    /// <param name="x">Values, any strides.</param>
    /// <param name="factor">One number for all of them.</param>
    /// <param name="offset">What is added to each product.</param>
    public static Tensor Scale(Tensor x, float factor, float offset = 0)
    {
        ArgumentNullException.ThrowIfNull(x);
        OpArguments.Floating("scale", x);
        Tensor scaled = Tensor.Empty(x.Shape, x.DType, x.Device);
        ScaleTo(x, factor, offset, scaled, accumulate: false);
        return Tape.Record("scale", scaled, [x], [], g =>
        {
            (Tensor target, bool accumulate) = g.Target(0);
            ScaleTo(g.Gradient(0)!, factor, 0, target, accumulate);
        });
    }

    /// <summary>What residual connections are made of: nothing is repeated, and the gradient of both is that of the sum.</summary>
    private static Tensor AddAlike(Tensor a, Tensor b)
    {
        OpArguments.Floating("add", a, b);
        Tensor sum = Tensor.Empty(a.Shape, a.DType, a.Device);
        AddTo(a, b, sum, factor: 1);
        return Tape.Record("add", sum, [a, b], [], static g =>
        {
            Tensor dy = g.Gradient(0)!;
            for (int input = 0; input < 2; input++)
            {
                if (g.Needs(input))
                {
                    g.Add(input, dy);
                }
            }
        });
    }

    private static Tensor Add(string op, Tensor a, Tensor b, float factor)
    {
        using var scope = new TensorScope();
        var pair = BroadcastPair.Of(op, a, b);
        Tensor sum = pair.Result();
        AddTo(pair.A, pair.B, sum, factor);

        (Shape shapeA, Shape shapeB) = (a.Shape, b.Shape);
        return scope.Keep(Tape.Record(op, sum, [a, b], [], g =>
        {
            Tensor dy = g.Gradient(0)!;
            BroadcastPair.Add(g, 0, shapeA, dy);
            if (factor == 1)
            {
                BroadcastPair.Add(g, 1, shapeB, dy);
            }
            else
            {
                BroadcastPair.Write(g, 1, shapeB, (target, accumulate) => ScaleTo(dy, factor, 0, target, accumulate));
            }
        }));
    }

    /// <summary>Writes <c>a + factor * b</c>; records nothing.</summary>
    internal static void AddTo(Tensor a, Tensor b, Tensor sum, float factor)
    {
        if (sum.Device.IsCuda)
        {
            AddCuda(a, b, sum, factor);
        }
        else
        {
            AddCpu(a, b, sum, factor);
        }
    }

    /// <summary>Writes <c>a * b</c>, or adds it to what is there; records nothing.</summary>
    internal static void MultiplyTo(Tensor a, Tensor b, Tensor product, bool accumulate)
    {
        if (product.Device.IsCuda)
        {
            MultiplyCuda(a, b, product, accumulate);
        }
        else
        {
            MultiplyCpu(a, b, product, accumulate);
        }
    }

    private static void DivideTo(Tensor a, Tensor b, Tensor quotient, bool accumulate)
    {
        if (quotient.Device.IsCuda)
        {
            DivideCuda(a, b, quotient, accumulate);
        }
        else
        {
            DivideCpu(a, b, quotient, accumulate);
        }
    }

    /// <summary>Writes <c>factor * x + offset</c>, or adds it to what is there; records nothing.</summary>
    internal static void ScaleTo(Tensor x, float factor, float offset, Tensor scaled, bool accumulate)
    {
        if (x.Device.IsCuda)
        {
            ScaleCuda(x, factor, offset, scaled, accumulate);
        }
        else
        {
            ScaleCpu(x, factor, offset, scaled, accumulate);
        }
    }
}
