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
    /// <summary>
    /// Whether the filters of all tokens, and their products, pass through the tile. If not, only those of the tokens next
    /// to a sequence's start or end do, where windows are not whole.
    /// </summary>
    bool Tiled { get; }

    /// <summary>Channels that consist of whole vectors, so that none reaches from one head into the next; 0 if any may.</summary>
    long HeadSize { get; }

    /// <summary>Working memory that <see cref="Begin"/> takes.</summary>
    long ScratchFloats(long blockChannels);

    /// <summary>Gets ready for a block of channels.</summary>
    void Begin(ConvolutionScratch scratch, ChannelBlock block);

    /// <summary>The filters of <paramref name="rows"/> tokens, static part included, in <paramref name="tile"/> or elsewhere.</summary>
    FilterTile Fill<TSimd, TVector>(long token, long rows, float* tile)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary><c>to[i] = Σ_w f[token + i, w] · from[i - w]</c> for rows whose windows are whole.</summary>
    /// <param name="to">Results.</param>
    /// <param name="from">Inputs; rows before the first are read, too.</param>
    /// <param name="filters">What <see cref="Fill"/> gave, if <see cref="Tiled"/>.</param>
    /// <param name="token">The token of the first row.</param>
    /// <param name="rows">Results to compute.</param>
    /// <param name="mode">What is added to the sum, and how it is stored.</param>
    void Convolve<TSimd, TVector>(Strided to, Strided from, FilterTile filters, long token, long rows, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>
    /// <c>to[i] = Σ_w f[token - i + w, w] · from[i - w]</c>: the rows go backwards from <paramref name="token"/>. The rest
    /// is as for <see cref="Convolve"/>.
    /// </summary>
    void Correlate<TSimd, TVector>(Strided to, Strided from, FilterTile filters, long token, long rows, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>
    /// The products <c>factor[i] · from[i - w]</c> for rows whose windows are whole: in <paramref name="products"/> if
    /// <see cref="Tiled"/>, otherwise at once in the gradients; their sums over the rows are added to
    /// <paramref name="sums"/>, by tap. Either is null where it is not wanted.
    /// </summary>
    void Multiply<TSimd, TVector>(Strided products, Strided sums, Strided factor, Strided from, long token, long rows)
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
