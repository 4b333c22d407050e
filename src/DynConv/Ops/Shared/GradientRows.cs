namespace DynConv.Ops;

/// <summary>
/// Where a kernel writes an input's gradient row by row: the tape's own place for it or, where that does not suit a
/// kernel, a temporary that goes there afterwards. <see cref="GradientPlaces"/> hands them out.
/// </summary>
internal readonly struct GradientRows
{
    private readonly GradientTarget _place;

    private GradientRows(Tensor tensor, bool accumulate, GradientTarget place) =>
        (Tensor, Accumulate, _place) = (tensor, accumulate, place);

    /// <summary>Null where the gradient is not wanted.</summary>
    public Tensor? Tensor { get; }

    /// <summary>Whether to add to the values there; if not, they are undefined.</summary>
    public bool Accumulate { get; }

    /// <summary>Sets undefined values to zero, for a kernel that adds to them in any case.</summary>
    public void ClearUndefined()
    {
        if (!Accumulate)
        {
            Tensor?.Clear();
        }
    }

    internal static GradientRows Of(BackwardContext g, int input, int innerDimensions, List<GradientRows> earlier)
    {
        if (!g.Needs(input))
        {
            return default;
        }

        GradientTarget place = g.Target(input);
        bool waits = place.Accumulate
            && earlier.Exists(one => one.Tensor is not null && ReferenceEquals(one._place.Tensor.Storage, place.Tensor.Storage));
        Tensor rows = waits || !RowLayout.Has(place.Tensor, innerDimensions)
            ? Tensor.Empty(place.Tensor.Shape, place.Tensor.DType, place.Tensor.Device)
            : place.Tensor;
        return new GradientRows(rows, ReferenceEquals(rows, place.Tensor) && place.Accumulate, place);
    }

    /// <summary>Brings the gradient to the tape.</summary>
    internal void Deliver()
    {
        if (Tensor is null || ReferenceEquals(Tensor, _place.Tensor))
        {
            return;
        }

        if (_place.Accumulate)
        {
            StridedCopy.Add(Tensor, _place.Tensor);
        }
        else
        {
            StridedCopy.Copy(Tensor, _place.Tensor);
        }
    }
}

/// <summary>
/// The places of the gradients that a rule's kernels write. Once disposed, all are where they belong, brought there in the
/// order in which they were asked for: inputs may be views of the same elements, and then a later gradient waits in a
/// temporary until the earlier one is there.
/// </summary>
internal readonly struct GradientPlaces(BackwardContext g) : IDisposable
{
    private readonly List<GradientRows> _rows = [];

    /// <summary>The place of an input's gradient. Ask once.</summary>
    /// <param name="input">The input's place.</param>
    /// <param name="innerDimensions">How many of the innermost dimensions have to be contiguous.</param>
    public GradientRows Rows(int input, int innerDimensions)
    {
        var rows = GradientRows.Of(g, input, innerDimensions, _rows);
        _rows.Add(rows);
        return rows;
    }

    public void Dispose()
    {
        foreach (GradientRows rows in _rows)
        {
            rows.Deliver();
        }
    }
}
