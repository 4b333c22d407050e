namespace DynConv.Ops;

/// <summary>
/// Where a kernel writes an input's gradient row by row: the tape's own place for it or, where that does not suit a
/// kernel, a temporary that goes there when disposed.
/// </summary>
internal readonly struct GradientRows : IDisposable
{
    private readonly GradientTarget _place;

    private GradientRows(Tensor tensor, bool accumulate, GradientTarget place) =>
        (Tensor, Accumulate, _place) = (tensor, accumulate, place);

    /// <summary>Null where the gradient is not wanted.</summary>
    public Tensor? Tensor { get; }

    /// <summary>Whether to add to the values there; if not, they are undefined.</summary>
    public bool Accumulate { get; }

    /// <summary>Asks the tape for the place.</summary>
    /// <param name="g">The op's backward context.</param>
    /// <param name="input">The input's place.</param>
    /// <param name="innerDimensions">How many of the innermost dimensions have to be contiguous.</param>
    /// <param name="first">
    /// What the same kernel writes for another input, disposed before this one. Where both inputs are views of the same
    /// elements, this one's gradient has to wait until that one's is there.
    /// </param>
    public static GradientRows Of(BackwardContext g, int input, int innerDimensions, GradientRows first = default)
    {
        if (!g.Needs(input))
        {
            return default;
        }

        GradientTarget place = g.Target(input);
        bool waits = place.Accumulate
            && first.Tensor is not null
            && ReferenceEquals(first._place.Tensor.Storage, place.Tensor.Storage);
        Tensor rows = waits || !RowLayout.Has(place.Tensor, innerDimensions)
            ? Tensor.Empty(place.Tensor.Shape, place.Tensor.DType, place.Tensor.Device)
            : place.Tensor;
        return new GradientRows(rows, ReferenceEquals(rows, place.Tensor) && place.Accumulate, place);
    }

    public void Dispose()
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
