namespace DynConv.Ops;

/// <summary>Two tensors as one op sees them: both in the shape of its result.</summary>
/// <param name="A">A view of the first.</param>
/// <param name="B">A view of the second.</param>
internal readonly record struct BroadcastPair(Tensor A, Tensor B)
{
    /// <summary>Repeats dimensions of length 1, or that are not there, until the shapes are one.</summary>
    /// <exception cref="TensorException">They cannot become one, or the tensors hold different types or lie apart.</exception>
    public static BroadcastPair Of(string op, Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        OpArguments.Floating(op, a, b);
        if (a.Shape == b.Shape)
        {
            return new BroadcastPair(a, b);
        }

        Shape shape = Join(op, a, b);
        return new BroadcastPair(a.Repeat(shape), b.Repeat(shape));
    }

    /// <summary>A fresh tensor for the result.</summary>
    public Tensor Result() => Tensor.Empty(A.Shape, A.DType, A.Device);

    /// <summary>Adds to the gradient of an input what its repetitions have of the result's.</summary>
    /// <param name="g">The rule's context.</param>
    /// <param name="input">The input's place.</param>
    /// <param name="shape">The input's shape.</param>
    /// <param name="gradient">Has the result's shape.</param>
    public static void Add(BackwardContext g, int input, Shape shape, Tensor gradient)
    {
        if (g.Needs(input))
        {
            g.Add(input, RepeatedSums.To(gradient, shape));
        }
    }

    /// <summary>The same where the gradient has yet to be computed: in place, if nothing was repeated.</summary>
    /// <param name="g">The rule's context.</param>
    /// <param name="input">The input's place.</param>
    /// <param name="shape">The input's shape.</param>
    /// <param name="write">Writes or adds the gradient of the input's repetitions, in the result's shape.</param>
    public static void Write(BackwardContext g, int input, Shape shape, Action<Tensor, bool> write)
    {
        if (!g.Needs(input))
        {
            return;
        }

        Tensor dy = g.Gradient(0)!;
        if (dy.Shape == shape)
        {
            (Tensor target, bool accumulate) = g.Target(input);
            write(target, accumulate);
            return;
        }

        Tensor repeated = Tensor.Empty(dy.Shape, dy.DType, dy.Device);
        write(repeated, false);
        g.Add(input, RepeatedSums.To(repeated, shape));
    }

    private static Shape Join(string op, Tensor a, Tensor b)
    {
        int rank = Math.Max(a.Rank, b.Rank);
        long[] joined = new long[rank];
        for (int i = 1; i <= rank; i++)
        {
            long one = i <= a.Rank ? a.Shape[^i] : 1;
            long other = i <= b.Rank ? b.Shape[^i] : 1;
            joined[rank - i] = one == 1 ? other
                : other == 1 || other == one ? one
                : throw new TensorException(op, $"shapes {a.Shape} and {b.Shape} cannot be broadcast: {one} and {other} differ, and neither is 1.", a, b);
        }

        return Shape.Create(joined);
    }
}
