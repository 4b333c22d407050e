using DynConv.Cpu;

namespace DynConv.Ops;

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

    /// <summary>
    /// Whether the filters and products of all tokens go through a tile. If not, those of tokens next to a sequence's
    /// start or end do, one by one, and the methods below make their own of all others.
    /// </summary>
    bool UsesTiles<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary><c>y[t] = Σ_w f[t, w] · x[t - w]</c> for tokens whose window lies inside their sequence.</summary>
    void Convolve<TSimd, TVector>(TokenSpan span, TokenRows y, TokenRows x, FilterTile filters, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary><c>dx[t] = Σ_w f[t + w, w] · dy[t + w]</c> for tokens that the whole filter reaches.</summary>
    void Correlate<TSimd, TVector>(TokenSpan span, TokenRows dx, TokenRows dy, FilterTile filters, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>The products of tokens whose window lies inside their sequence, to where <see cref="Reduce"/> finds them.</summary>
    void Multiply<TSimd, TVector>(TokenSpan span, TokenRows dy, TokenRows x, float* products, float* staticSums)
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
