using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>What filters that go through a tile do with it: the same for every kind.</summary>
internal static unsafe class TileFilters
{
    /// <inheritdoc cref="IConvolutionFilter.Convolve"/>
    public static void Convolve<TSimd, TVector>(TokenSpan span, TokenRows y, TokenRows x, FilterTile filters, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => ConvolutionColumns.Convolve<TSimd, TVector>(
            y.From(span.Token, span.Block),
            x.From(span.Token, span.Block),
            filters.From(span.TileRow),
            filters.TapStride,
            span.Width,
            span.Rows,
            span.Block.Count,
            mode);

    /// <inheritdoc cref="IConvolutionFilter.Correlate"/>
    public static void Correlate<TSimd, TVector>(TokenSpan span, TokenRows dx, TokenRows dy, FilterTile filters, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        // In reverse, a correlation is a convolution whose taps come from one token later each.
        long last = span.Rows - 1;
        ConvolutionColumns.Convolve<TSimd, TVector>(
            dx.BackFrom(span.Token + last, span.Block),
            dy.BackFrom(span.Token + last, span.Block),
            filters.BackFrom(span.TileRow + last),
            filters.RowStride + filters.TapStride,
            span.Width,
            span.Rows,
            span.Block.Count,
            mode);
    }

    /// <inheritdoc cref="IConvolutionFilter.Multiply"/>
    public static void Multiply<TSimd, TVector>(TokenSpan span, TokenRows dy, TokenRows x, float* products, float* staticSums)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long stride = ConvolutionBlocking.TileStride(span.Width, span.Block.Count);
        ConvolutionColumns.Multiply<TSimd, TVector>(
            new Strided(products is null ? null : products + (span.TileRow * stride), stride),
            staticSums,
            span.Block.Count,
            dy.From(span.Token, span.Block),
            x.From(span.Token, span.Block),
            span.Width,
            span.Rows,
            span.Block.Count);
    }
}
