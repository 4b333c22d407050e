namespace DynConv.Ops;

/// <summary>Matrix products.</summary>
public static partial class MatMul
{
    /// <summary>
    /// A linear layer without bias, <c>y = x Wᵀ</c>. Gradients: <c>dx = dy W</c>, <c>dW = dyᵀ x</c> with all leading
    /// dimensions of x and dy taken as one.
    /// </summary>
    /// <param name="x">
    /// <c>[..., K]</c>, float32, or bfloat16 on CUDA, any strides. Rows in one piece and equally far apart, as in a slice of a wider
    /// projection, are read in place; anything else is copied first.
    /// </param>
    /// <param name="weight"><c>[N, K]</c>, float32 or the type of <paramref name="x"/>, outputs × inputs; it or its transpose is read in place.</param>
    /// <returns><c>[..., N]</c>; zeros if K is 0.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Linear(Tensor x, Tensor weight)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        OpArguments.Floating("linear", x);
        OpArguments.Weight("linear", "the weight", weight, x);
        if (weight.Rank != 2 || x.Rank == 0 || x.Shape[^1] != weight.Shape[1])
        {
            throw new TensorException(
                "linear", $"x {x.Shape} and weight {weight.Shape} do not fit; [..., K] and [N, K] do.", x, weight);
        }

        Tensor y = Tensor.Empty(x.Shape.With(^1, weight.Shape[0]), x.DType, x.Device);
        using (new TensorScope())
        {
            Multiply(AsRows(x), weight.Detach().To(x.DType).Transpose(0, 1), AsRows(y), accumulate: false);
        }

        return Tape.Record(
            "linear",
            y,
            inputs: [x, weight],
            saved: [weight.RequiresGradient ? x : null, x.RequiresGradient ? weight : null],
            static g =>
            {
                Tensor dy = AsRows(g.Gradient(0)!);
                if (g.Needs(0))
                {
                    WriteRows(g.Target(0), dy, g.Saved(1).To(dy.DType));
                }

                if (g.Needs(1))
                {
                    Write(g.Target(1), dy.Transpose(0, 1), AsRows(g.Saved(0)));
                }
            });
    }

    /// <summary>
    /// The product of each matrix in <paramref name="a"/> with its partner in <paramref name="b"/>, <c>c = a b</c>.
    /// Gradients: <c>da = dc bᵀ</c>, <c>db = aᵀ dc</c>.
    /// </summary>
    /// <param name="a"><c>[..., M, K]</c>, float32, or bfloat16 on CUDA, or <c>[..., K, M]</c> if <paramref name="transposeA"/>.</param>
    /// <param name="b">
    /// <c>[..., K, N]</c>, or <c>[..., N, K]</c> if <paramref name="transposeB"/>; leading dimensions equal
    /// those of <paramref name="a"/>.
    /// </param>
    /// <param name="transposeA">Whether to take the matrices in <paramref name="a"/> transposed.</param>
    /// <param name="transposeB">Whether to take the matrices in <paramref name="b"/> transposed.</param>
    /// <returns><c>[..., M, N]</c>; zeros if K is 0.</returns>
    /// <remarks>
    /// Strides are free: matrices whose rows, or columns, lie in one piece are read in place; others are copied first.
    /// </remarks>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Batched(Tensor a, Tensor b, bool transposeA = false, bool transposeB = false)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        OpArguments.Floating("batched", a, b);
        using var scope = new TensorScope();
        Tensor left = Oriented(a, transposeA);
        Tensor right = Oriented(b, transposeB);
        if (left.Rank != right.Rank || left.Shape[..^2] != right.Shape[..^2] || left.Shape[^1] != right.Shape[^2])
        {
            throw new TensorException(
                "batched",
                $"{a.Shape}{(transposeA ? " transposed" : "")} and {b.Shape}{(transposeB ? " transposed" : "")} do not fit; [..., M, K] and [..., K, N] do.",
                a,
                b);
        }

        Tensor c = Tensor.Empty(left.Shape.With(^1, right.Shape[^1]), a.DType, a.Device);
        Multiply(left, right, c, accumulate: false);
        return scope.Keep(Tape.Record(
            "batched",
            c,
            inputs: [a, b],
            saved: [b.RequiresGradient ? a : null, a.RequiresGradient ? b : null],
            g =>
            {
                Tensor dc = g.Gradient(0)!;
                if (g.Needs(0))
                {
                    Write(Oriented(g.Target(0), transposeA), dc, Oriented(g.Saved(1), !transposeB));
                }

                if (g.Needs(1))
                {
                    Write(Oriented(g.Target(1), transposeB), Oriented(g.Saved(0), !transposeA), dc);
                }
            }));
    }

    /// <summary>The matrix product <c>a b</c>.</summary>
    /// <param name="a"><c>[..., M, K]</c>, float32, or bfloat16 on CUDA.</param>
    /// <param name="b">A matrix for each of those in <paramref name="a"/>, <c>[..., K, N]</c>, or one for all of them, <c>[K, N]</c>.</param>
    /// <returns><c>[..., M, N]</c>.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Multiply(Tensor a, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (b.Rank != 2 || a.Rank < 2 || a.Shape[^1] != b.Shape[0])
        {
            return Batched(a, b);
        }

        // One matrix for all: a linear layer with the weight transposed.
        using var scope = new TensorScope();
        return scope.Keep(Linear(a, b.Transpose(0, 1)));
    }

    /// <summary><c>c = a b</c>, no gradient: <c>[M, K]</c> and <c>[K, N]</c>, of one type; <paramref name="c"/> has rows in one piece.</summary>
    internal static void WriteProduct(Tensor a, Tensor b, Tensor c) => Multiply(a, b, c, accumulate: false);

    /// <summary><c>sum += a b</c>, no gradient: <c>[M, K]</c> and <c>[K, N]</c>, of one type; <paramref name="sum"/> has rows in one piece.</summary>
    internal static void AddProduct(Tensor a, Tensor b, Tensor sum) => Multiply(a, b, sum, accumulate: true);

    private static Tensor Oriented(Tensor matrices, bool transpose)
    {
        if (matrices.Rank < 2)
        {
            throw new TensorException("batched", $"shape {matrices.Shape} holds no matrices.", matrices);
        }

        return transpose ? matrices.Transpose(-2, -1) : matrices.Detach();
    }

    private static GradientTarget Oriented(GradientTarget target, bool transpose) =>
        target with { Tensor = Oriented(target.Tensor, transpose) };

    /// <summary>All leading dimensions as one: a view if they can be, else a copy.</summary>
    private static Tensor AsRows(Tensor tensor)
    {
        long width = tensor.Shape[^1];
        return tensor.Detach().Reshape(tensor.Shape[..^1].Count, width);
    }

    private static void WriteRows(GradientTarget target, Tensor a, Tensor b)
    {
        Tensor rows = AsRows(target.Tensor);
        Write(target with { Tensor = rows }, a, b);
        CopyBack(rows, target.Tensor);
    }

    /// <summary>Writes or adds <c>a b</c> to a target of any strides.</summary>
    private static void Write(GradientTarget target, Tensor a, Tensor b)
    {
        Tensor place = IsMatrixLayout(target.Tensor) ? target.Tensor : target.Tensor.Clone();
        Multiply(a, b, place, target.Accumulate);
        CopyBack(place, target.Tensor);
    }

    private static void CopyBack(Tensor place, Tensor target)
    {
        if (place.Storage != target.Storage)
        {
            StridedCopy.Copy(place.Reshape(target.Shape.Dimensions), target);
        }
    }

    /// <summary>
    /// <c>c = a b</c> or <c>c += a b</c> for <c>[..., M, K]</c> and <c>[..., K, N]</c>; the matrices of
    /// <paramref name="c"/> have rows or columns in one piece.
    /// </summary>
    private static void Multiply(Tensor a, Tensor b, Tensor c, bool accumulate)
    {
        a = IsMatrixLayout(a) ? a : a.Clone();
        b = IsMatrixLayout(b) ? b : b.Clone();
        if (c.Device.IsCuda)
        {
            MultiplyCuda(a, b, c, accumulate);
        }
        else
        {
            MultiplyCpu(a, b, c, accumulate);
        }
    }

    /// <summary>Whether the matrices have rows or columns in one piece that do not overlap.</summary>
    private static bool IsMatrixLayout(Tensor matrices) => HasRows(matrices) || HasRows(matrices.Transpose(-2, -1));

    private static bool HasRows(Tensor matrices)
    {
        (long rows, long columns) = (matrices.Shape[^2], matrices.Shape[^1]);
        return (columns <= 1 || matrices.Strides[^1] == 1) && (rows <= 1 || matrices.Strides[^2] >= Math.Max(1, columns));
    }

    /// <summary>Where a matrix begins, given its place in the leading dimensions.</summary>
    private static long OffsetOf(Shape shape, ReadOnlySpan<long> strides, long index)
    {
        long offset = 0;
        for (int i = shape.Rank - 3; i >= 0; i--)
        {
            (index, long position) = Math.DivRem(index, shape[i]);
            offset += position * strides[i];
        }

        return offset;
    }
}
