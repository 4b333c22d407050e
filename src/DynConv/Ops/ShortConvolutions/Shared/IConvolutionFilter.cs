using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// Where the filters of a short convolution come from: all in which the three kinds differ. Kernels go through a block
/// of channels a few tokens at a time. Where windows are whole, a kind does all by itself; next to a sequence's start or
/// end, at most W - 1 tokens at a time, it gives its filters, and takes the products
/// <c>p[t, w, d] = dy[t, d] · x[t - w, d]</c>, which are the gradient with respect to the filters.
/// </summary>
/// <remarks>A kernel works on a copy of its own, so that an implementation may keep the state of one block.</remarks>
internal unsafe interface IConvolutionFilter
{
    /// <summary>Channels of a head, which no vector crosses; 0 without heads.</summary>
    long HeadSize { get; }

    /// <summary>Whether the gradient of what the filters are made of is wanted.</summary>
    bool NeedsProducts { get; }

    /// <summary>Working memory that <see cref="Begin"/> takes.</summary>
    long ScratchFloats { get; }

    /// <summary>Gets ready for a block of channels.</summary>
    void Begin(ConvolutionScratch scratch, ChannelBlock block);

    /// <summary>The filters of <paramref name="rows"/> tokens, static weight included, in <paramref name="tile"/> or elsewhere.</summary>
    FilterTile Fill<TSimd, TVector>(long token, long rows, float* tile)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary><c>to[i] = Σ_w f[token + i, w] · from[i - w]</c> for rows whose windows are whole.</summary>
    /// <param name="to">Results.</param>
    /// <param name="from">Inputs; rows before the first are read, too.</param>
    /// <param name="token">The token of the first row.</param>
    /// <param name="rows">Results to compute, no more than a tile has.</param>
    /// <param name="mode">What is added to the sum, and how it is stored.</param>
    void Convolve<TSimd, TVector>(Strided to, Strided from, long token, long rows, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>
    /// <c>to[i] = Σ_w f[token - i + w, w] · from[i - w]</c>: the rows go backwards from <paramref name="token"/>. The rest
    /// is as for <see cref="Convolve"/>.
    /// </summary>
    void Correlate<TSimd, TVector>(Strided to, Strided from, long token, long rows, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>
    /// Adds what the products <c>dy[i] · from[i - w]</c> of rows whose windows are whole give to the gradients, and
    /// their sums over the rows to <paramref name="sums"/>, by tap, unless that is null.
    /// </summary>
    void Multiply<TSimd, TVector>(Strided sums, Strided dy, Strided from, long token, long rows)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>
    /// The same for products <c>[rows, W, block.Count]</c> that are there, the rows
    /// <see cref="ConvolutionBlocking.TileStride"/> apart; of the gradients alone.
    /// </summary>
    void Reduce<TSimd, TVector>(long token, long rows, float* products)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;

    /// <summary>Stores what has been summed for the block, as partial sum number <paramref name="part"/>.</summary>
    void End(long part);
}

/// <summary>The filters of a few tokens for a block of channels: tap w of a token starts at <c>this[token, w]</c>.</summary>
/// <param name="first">The first token.</param>
/// <param name="rows">How many tokens.</param>
/// <param name="data">Tap 0 of the first token.</param>
/// <param name="rowStride">From one token to the next; 0 where all have the same filter.</param>
/// <param name="tapStride">From one tap to the next.</param>
internal readonly unsafe struct FilterTile(long first, long rows, float* data, long rowStride, long tapStride)
{
    public long RowStride { get; } = rowStride;

    public long TapStride { get; } = tapStride;

    /// <summary>Whether some tokens' filters are in it.</summary>
    public bool Holds(long token, long tokens) => token >= first && token + tokens <= first + rows;

    public float* this[long token, int tap] => data + ((token - first) * RowStride) + (tap * TapStride);
}
