using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>Channels <c>Start .. Start + Count - 1</c> that a kernel works on at a time.</summary>
internal readonly record struct ChannelBlock(long Start, long Count);

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

/// <summary>
/// Where the filters of a short convolution come from: all in which the three kinds differ. Kernels go through a block
/// of channels tile by tile; a tile is a few tokens whose filters, and later whose products
/// <c>p[t, w, d] = dy[t, d] · x[t - w, d]</c> (the gradient with respect to the filters), fit the L1 cache.
/// </summary>
/// <remarks>A kernel works on a copy of its own, so that an implementation may keep the state of one block.</remarks>
internal unsafe interface IConvolutionFilter
{
    /// <summary>Working memory that <see cref="Begin"/> takes.</summary>
    long ScratchFloats(long blockChannels);

    /// <summary>Gets ready for a block of channels.</summary>
    void Begin(ConvolutionScratch scratch, ChannelBlock block);

    /// <summary>The filters of <paramref name="rows"/> tokens, static part included, in <paramref name="tile"/> or elsewhere.</summary>
    FilterTile Fill<TSimd, TVector>(long token, long rows, float* tile)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>Whether <see cref="Reduce"/> has something to do.</summary>
    bool NeedsProducts { get; }

    /// <summary>Adds the products of a tile, to the gradients. They are stored
    /// <c>[rows, W, block.Count]</c>, the rows <see cref="ConvolutionBlocking.TileStride"/> apart.</summary>
    void Reduce<TSimd, TVector>(long token, long rows, float* products)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>Stores what <see cref="Reduce"/> has summed for the block, as partial sum number <paramref name="part"/>.</summary>
    void End(long part);
}
