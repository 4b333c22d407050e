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
        return scope.Keep(Turn(x, angles));
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
        return scope.Keep(Turn(x, angles));
    }

    /// <summary>The angles of each token of <paramref name="x"/>.</summary>
    /// <inheritdoc cref="Apply(Tensor, RopeTable, TokenPositions)" path="/exception"/>
    internal static RopeAngles Angles(Tensor x, RopeTable table, TokenPositions positions)
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

        Tensor rows = table.Rows(positions.End);
        return positions.Common is { } position ? new(rows, position, null) : new(rows, 0, positions.On(x.Device));
    }

    /// <summary><paramref name="x"/>, turned; takes no part in gradients.</summary>
    internal static Tensor Turned(Tensor x, RopeAngles angles)
    {
        OpArguments.OneDevice("rope", x, angles.Table);
        x = RowLayout.Of(x);
        Tensor y = Tensor.Empty(x.Shape, x.DType, x.Device);
        Rotate(x, angles.Table, angles.Position, angles.Positions, y, backwards: false, accumulate: false);
        return y;
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

    /// <summary>Applies the op, with its gradient.</summary>
    private static Tensor Turn(Tensor x, RopeAngles angles)
    {
        long position = angles.Position;
        return Tape.Record("rope", Turned(x, angles), [x], [angles.Table, angles.Positions], g =>
        {
            Tensor dy = RowLayout.Of(g.Gradient(0)!);
            using var gradients = new GradientPlaces(g);
            GradientRows dx = gradients.Rows(0, innerDimensions: 1);
            Rotate(dy, g.Saved(0), position, g.SavedOrNull(1), dx.Tensor!, backwards: true, dx.Accumulate);
        });
    }

    private static void Rotate(
        Tensor x, Tensor table, long position, Tensor? positions, Tensor y, bool backwards, bool accumulate)
    {
        if (x.Device.IsCuda)
        {
            RotateCuda(x, table, position, positions, y, backwards, accumulate);
        }
        else
        {
            RotateCpu(x, table, position, positions, y, backwards, accumulate);
        }
    }
}
