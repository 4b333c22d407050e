namespace DynConv.Ops;

/// <summary>The filters of a few tokens for a block of channels: tap w of a token starts at <c>this[token, w]</c>.</summary>
/// <param name="first">The first token.</param>
/// <param name="data">Tap 0 of the first token.</param>
/// <param name="rowStride">From one token to the next; 0 where all have the same filter.</param>
/// <param name="tapStride">From one tap to the next.</param>
internal readonly unsafe struct FilterTile(long first, float* data, long rowStride, long tapStride)
{
    public long RowStride { get; } = rowStride;

    public long TapStride { get; } = tapStride;

    public float* this[long token, int tap] => data + ((token - first) * RowStride) + (tap * TapStride);

    /// <summary>Tap 0 of the tokens from <paramref name="token"/> on.</summary>
    public Strided From(long token) => new(this[token, 0], RowStride);

    /// <summary>
    /// Tap 0 of the tokens from <paramref name="token"/> backwards. Tap w of the token w further on is then
    /// <see cref="RowStride"/> + <see cref="TapStride"/> apart from tap w - 1: the taps that meet at one token.
    /// </summary>
    public Strided BackFrom(long token) => new(this[token, 0], -RowStride);
}
