namespace DynConv.Ops;

/// <summary>Rotary position embedding (Su et al. 2021), with the two halves of a head as pairs.</summary>
public static partial class Rope
{
    /// <summary>
    /// Turns channels i and i + K/2 of each head by the angle a of its position, for i in <c>0 .. K/2 - 1</c>:
    /// <c>y[i] = x[i] cos a - x[i + K/2] sin a</c>, <c>y[i + K/2] = x[i + K/2] cos a + x[i] sin a</c>: the convention of
    /// Llama in Hugging Face transformers.
    /// </summary>
    /// <param name="x"><c>[B, T, H, K]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="table">The angles, for heads of K channels.</param>
    /// <param name="position">The position of <c>x[:, 0]</c>; later tokens follow one by one.</param>
    /// <returns>The shape of <paramref name="x"/>, contiguous.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or a position lies outside the table.</exception>
    public static Tensor Apply(Tensor x, RopeTable table, long position = 0)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(table);
        Check(x, table);
        long end = position + x.Shape[1];
        if (position < 0 || end > table.MaximumLength)
        {
            throw new TensorException(
                "rope", $"positions {position}..{end - 1} lie outside the {table.MaximumLength} of the table.", x);
        }

        using var scope = new TensorScope();
        using var angles = new RopeAngles(table.Rows(end), position, null);
        return scope.Keep(Turn([x], angles)[0]);
    }

    /// <summary>
    /// The same with a position for each token: for sequences that do not all begin at one position, or that share a row.
    /// </summary>
    /// <param name="x"><c>[B, T, H, K]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="table">The angles, for heads of K channels.</param>
    /// <param name="positions">Where the tokens stand: of B rows of T tokens.</param>
    /// <returns>The shape of <paramref name="x"/>, contiguous.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or a position lies outside the table.</exception>
    public static Tensor Apply(Tensor x, RopeTable table, TokenPositions positions)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(positions);
        using var scope = new TensorScope();
        using RopeAngles angles = Angles(x, table, positions);
        return scope.Keep(Turn([x], angles)[0]);
    }

    /// <summary>Queries and keys of the same tokens, turned together: on CUDA in one launch each way.</summary>
    /// <param name="q"><c>[B, T, H, K]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="k"><c>[B, T, Hkv, K]</c>, any strides.</param>
    /// <param name="table">The angles, for heads of K channels.</param>
    /// <param name="positions">Where the tokens stand: of B rows of T tokens.</param>
    /// <returns>The shapes of <paramref name="q"/> and <paramref name="k"/>, contiguous.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or a position lies outside the table.</exception>
    public static (Tensor Q, Tensor K) Apply(Tensor q, Tensor k, RopeTable table, TokenPositions positions)
    {
        ArgumentNullException.ThrowIfNull(q);
        ArgumentNullException.ThrowIfNull(k);
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(positions);
        OpArguments.Floating("rope", q, k);
        CheckPositions(k, table, positions);
        using var scope = new TensorScope();
        using RopeAngles angles = Angles(q, table, positions);
        Tensor[] turned = Turn([q, k], angles);
        return (scope.Keep(turned[0]), scope.Keep(turned[1]));
    }

    /// <summary>The angles of each token of <paramref name="x"/>.</summary>
    /// <inheritdoc cref="Apply(Tensor, RopeTable, TokenPositions)" path="/exception"/>
    internal static RopeAngles Angles(Tensor x, RopeTable table, TokenPositions positions)
    {
        CheckPositions(x, table, positions);
        Tensor rows = table.Rows(positions.End);
        return positions.Common is { } position ? new(rows, position, null) : new(rows, 0, positions.On(x.Device));
    }

    /// <summary>Tensors of the same tokens, turned; takes no part in gradients.</summary>
    internal static Tensor[] Turned(ReadOnlySpan<Tensor> tensors, RopeAngles angles)
    {
        var turnings = new Turning[tensors.Length];
        for (int i = 0; i < tensors.Length; i++)
        {
            OpArguments.OneDevice("rope", tensors[i], angles.Table);
            Tensor x = RowLayout.Of(tensors[i]);
            turnings[i] = new Turning(x, Tensor.Empty(x.Shape, x.DType, x.Device), false);
        }

        Rotate(turnings, angles.Table, angles.Position, angles.Positions, backwards: false);
        return [.. turnings.Select(turning => turning.Y)];
    }

    internal static void CheckPositions(Tensor x, RopeTable table, TokenPositions positions)
    {
        Check(x, table);
        if (positions.Batch != x.Shape[0] || positions.Tokens != x.Shape[1])
        {
            throw new TensorException(
                "rope",
                $"positions of [{positions.Batch}, {positions.Tokens}] tokens do not fit x of shape {x.Shape}.",
                x);
        }

        if (positions.End > table.MaximumLength)
        {
            throw new TensorException(
                "rope", $"position {positions.End - 1} lies outside the {table.MaximumLength} of the table.", x);
        }
    }

    private static void Check(Tensor x, RopeTable table)
    {
        OpArguments.Floating("rope", x);
        OpArguments.Rank("rope", "x", x, 4, "[B, T, H, K]");
        if (x.Shape[3] != table.HeadDim)
        {
            throw new TensorException(
                "rope", $"a table for heads of {table.HeadDim} does not fit x of shape {x.Shape}.", x);
        }
    }

    /// <summary>Applies the op to tensors of the same tokens, with its gradient.</summary>
    private static Tensor[] Turn(Tensor[] tensors, RopeAngles angles)
    {
        (long position, int count) = (angles.Position, tensors.Length);
        Tensor[] turned = Turned(tensors, angles);
        Tape.Record("rope", turned, tensors, [angles.Table, angles.Positions], g =>
        {
            using var gradients = new GradientPlaces(g);
            var turnings = new List<Turning>();
            for (int i = 0; i < count; i++)
            {
                if (g.Needs(i) && g.Gradient(i) is { } dy)
                {
                    GradientRows dx = gradients.Rows(i, innerDimensions: 1);
                    turnings.Add(new Turning(RowLayout.Of(dy), dx.Tensor!, dx.Accumulate));
                }
            }

            Rotate([.. turnings], g.Saved(0), position, g.SavedOrNull(1), backwards: true);
        });
        return turned;
    }

    private static void Rotate(Turning[] turnings, Tensor table, long position, Tensor? positions, bool backwards)
    {
        Turning[] filled = [.. turnings.Where(turning => turning.X.Count > 0)];
        if (filled.Length == 0)
        {
            return;
        }

        if (table.Device.IsCuda)
        {
            RotateCuda(filled, table, position, positions, backwards);
            return;
        }

        foreach (Turning turning in filled)
        {
            RotateCpu(turning, table, position, positions, backwards);
        }
    }

    /// <summary>Heads, where they go when they are turned, and whether they are added to what is there.</summary>
    private readonly record struct Turning(Tensor X, Tensor Y, bool Accumulate);
}
