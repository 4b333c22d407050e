namespace DynConv.Ops;

/// <summary>The filters of a few tokens for a block of channels: tap w of row i starts at <c>this[i, w]</c>.</summary>
/// <param name="data">Tap 0 of row 0.</param>
/// <param name="rowStride">From one token to the next; 0 where all have the same filter.</param>
/// <param name="tapStride">From one tap to the next.</param>
internal readonly unsafe struct FilterTile(float* data, long rowStride, long tapStride)
{
    public long RowStride { get; } = rowStride;

    public long TapStride { get; } = tapStride;

    public float* this[long row, int tap] => data + (row * RowStride) + (tap * TapStride);

    /// <summary>Tap 0 of the rows from <paramref name="row"/> on.</summary>
    public Strided From(long row) => new(this[row, 0], RowStride);

    /// <summary>
    /// Tap 0 of the rows from <paramref name="row"/> backwards. Tap w of the row w further on is then
    /// <see cref="RowStride"/> + <see cref="TapStride"/> apart from tap w - 1: the taps that meet at one token.
    /// </summary>
    public Strided BackFrom(long row) => new(this[row, 0], -RowStride);
}
