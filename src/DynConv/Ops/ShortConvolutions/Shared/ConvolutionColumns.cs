using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// The inner loops of the short convolutions where a filter meets nothing but tokens of its own sequence. A column of one
/// vector's channels walks through the rows of a tile with the last inputs in registers, so that each input is loaded
/// once; the columns of a tile together read and write whole rows, as memory likes it.
/// </summary>
internal static unsafe class ConvolutionColumns
{
    // The hardware follows fewer streams than a tile has rows, so each row asks for what it needs eight vectors later.
    public const long Ahead = 128;

    /// <summary>
    /// <c>to[i] = Σ_w filter[i, w] · from[i - w]</c>, for backward passes with rows in reverse order.
    /// </summary>
    /// <param name="to">Results.</param>
    /// <param name="from">Inputs; rows before the first are read, too.</param>
    /// <param name="filter">Filters by row.</param>
    /// <param name="tapStride">From one tap of a filter to the next.</param>
    /// <param name="taps">W.</param>
    /// <param name="rows">Results to compute.</param>
    /// <param name="channels">Channels of a row.</param>
    /// <param name="mode">What is added to the sum, and how it is stored.</param>
    public static void Convolve<TSimd, TVector>(
        Strided to, Strided from, Strided filter, long tapStride, int taps, long rows, long channels, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (; taps > ITaps.Most; taps -= ITaps.Most)
        {
            Convolve<TSimd, TVector, FourTaps>(to, from, filter, tapStride, rows, channels, mode & ~ConvolveMode.NonTemporal);
            from = new(from[-ITaps.Most], from.Stride);
            filter = new(filter.First + (ITaps.Most * tapStride), filter.Stride);
            mode = ConvolveMode.Accumulate;
        }

        switch (taps)
        {
            case 1: Convolve<TSimd, TVector, OneTap>(to, from, filter, tapStride, rows, channels, mode); break;
            case 2: Convolve<TSimd, TVector, TwoTaps>(to, from, filter, tapStride, rows, channels, mode); break;
            case 3: Convolve<TSimd, TVector, ThreeTaps>(to, from, filter, tapStride, rows, channels, mode); break;
            default: Convolve<TSimd, TVector, FourTaps>(to, from, filter, tapStride, rows, channels, mode); break;
        }
    }

    /// <summary>
    /// <c>products[i, w] = dy[i] · from[i - w]</c> where wanted, and <c>sums[w] += Σ_i dy[i] · from[i - w]</c>
    /// where wanted; null where not.
    /// </summary>
    public static void Multiply<TSimd, TVector>(
        Strided products, float* sums, long tapStride, Strided dy, Strided from, int taps, long rows, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (; taps > ITaps.Most; taps -= ITaps.Most)
        {
            Multiply<TSimd, TVector, FourTaps>(products, sums, tapStride, dy, from, rows, channels);
            from = new(from[-ITaps.Most], from.Stride);
            products = products.First is null ? products : new(products.First + (ITaps.Most * tapStride), products.Stride);
            sums = sums is null ? null : sums + (ITaps.Most * tapStride);
        }

        switch (taps)
        {
            case 1: Multiply<TSimd, TVector, OneTap>(products, sums, tapStride, dy, from, rows, channels); break;
            case 2: Multiply<TSimd, TVector, TwoTaps>(products, sums, tapStride, dy, from, rows, channels); break;
            case 3: Multiply<TSimd, TVector, ThreeTaps>(products, sums, tapStride, dy, from, rows, channels); break;
            default: Multiply<TSimd, TVector, FourTaps>(products, sums, tapStride, dy, from, rows, channels); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Convolve<TSimd, TVector, TTaps>(
        Strided to, Strided from, Strided filter, long tapStride, long rows, long channels, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        // Locals: a test of the mode in the loop makes small convolutions a third slower.
        bool residual = (mode & ConvolveMode.Residual) != 0;
        bool accumulate = (mode & ConvolveMode.Accumulate) != 0;
        bool nonTemporal = (mode & ConvolveMode.NonTemporal) != 0;
        long c = 0;
        for (; c + TSimd.Width <= channels; c += TSimd.Width)
        {
            TVector v1 = TTaps.Count > 1 ? TSimd.Load(from[-1] + c) : default;
            TVector v2 = TTaps.Count > 2 ? TSimd.Load(from[-2] + c) : default;
            TVector v3 = TTaps.Count > 3 ? TSimd.Load(from[-3] + c) : default;
            long ahead = Lookahead(c, channels, rows, from.Stride, TTaps.Count);
            float* f = filter.First + c;
            float* x = from.First + c;
            float* y = to.First + c;
            for (long row = 0; row < rows; row++, x += from.Stride, y += to.Stride, f += filter.Stride)
            {
                Prefetch(x + ahead);
                TVector v0 = TSimd.Load(x);
                TVector sum = TSimd.Multiply(TSimd.Load(f), v0);
                sum = TTaps.Count > 1 ? TSimd.MultiplyAdd(TSimd.Load(f + tapStride), v1, sum) : sum;
                sum = TTaps.Count > 2 ? TSimd.MultiplyAdd(TSimd.Load(f + (2 * tapStride)), v2, sum) : sum;
                sum = TTaps.Count > 3 ? TSimd.MultiplyAdd(TSimd.Load(f + (3 * tapStride)), v3, sum) : sum;
                if (residual)
                {
                    sum = TSimd.Add(sum, v0);
                }

                if (accumulate)
                {
                    sum = TSimd.Add(sum, TSimd.Load(y));
                }

                if (nonTemporal)
                {
                    TSimd.StoreNonTemporal(y, sum);
                }
                else
                {
                    TSimd.Store(y, sum);
                }

                v3 = v2;
                v2 = v1;
                v1 = v0;
            }
        }

        if (typeof(TSimd) != typeof(SimdScalar) && c < channels)
        {
            Convolve<SimdScalar, float, TTaps>(
                new(to.First + c, to.Stride),
                new(from.First + c, from.Stride),
                new(filter.First + c, filter.Stride),
                tapStride,
                rows,
                channels - c,
                mode);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TSimd, TVector, TTaps>(
        Strided products, float* sums, long tapStride, Strided dy, Strided from, long rows, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        bool keep = products.First is not null;
        long c = 0;
        for (; c + TSimd.Width <= channels; c += TSimd.Width)
        {
            TVector v1 = TTaps.Count > 1 ? TSimd.Load(from[-1] + c) : default;
            TVector v2 = TTaps.Count > 2 ? TSimd.Load(from[-2] + c) : default;
            TVector v3 = TTaps.Count > 3 ? TSimd.Load(from[-3] + c) : default;
            TVector s0 = default, s1 = default, s2 = default, s3 = default;
            long ahead = Lookahead(c, channels, rows, from.Stride, TTaps.Count);
            long dyAhead = Lookahead(c, channels, rows, dy.Stride, TTaps.Count);
            float* x = from.First + c;
            float* g = dy.First + c;
            float* p = products.First + c;
            for (long row = 0; row < rows; row++, x += from.Stride, g += dy.Stride, p += products.Stride)
            {
                Prefetch(x + ahead);
                Prefetch(g + dyAhead);
                TVector v0 = TSimd.Load(x);
                TVector gradient = TSimd.Load(g);
                if (keep)
                {
                    Store<TSimd, TVector, TTaps>(
                        p,
                        tapStride,
                        TSimd.Multiply(gradient, v0),
                        TSimd.Multiply(gradient, v1),
                        TSimd.Multiply(gradient, v2),
                        TSimd.Multiply(gradient, v3));
                }

                s0 = TSimd.MultiplyAdd(gradient, v0, s0);
                s1 = TSimd.MultiplyAdd(gradient, v1, s1);
                s2 = TSimd.MultiplyAdd(gradient, v2, s2);
                s3 = TSimd.MultiplyAdd(gradient, v3, s3);
                v3 = TTaps.Count > 3 ? v2 : default;
                v2 = TTaps.Count > 2 ? v1 : default;
                v1 = TTaps.Count > 1 ? v0 : default;
            }

            if (sums is not null)
            {
                Add<TSimd, TVector, TTaps>(sums + c, tapStride, s0, s1, s2, s3);
            }
        }

        if (typeof(TSimd) != typeof(SimdScalar) && c < channels)
        {
            Multiply<SimdScalar, float, TTaps>(
                keep ? new(products.First + c, products.Stride) : products,
                sums is null ? null : sums + c,
                tapStride,
                new(dy.First + c, dy.Stride),
                new(from.First + c, from.Stride),
                rows,
                channels - c);
        }
    }

    /// <summary>From an element to the one to prefetch: further along its row or, near the row's end, in the next tile.</summary>
    /// <remarks>Inlined, because a call would throw the vectors around it out of their registers.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Lookahead(long channel, long channels, long rows, long stride, int taps) =>
        channel + Ahead < channels ? Ahead + Newest(stride, taps)
        : channels <= Ahead ? NextTile(rows, stride, taps)
        : NextTile(rows, stride, taps) + Ahead - channels;

    /// <summary>From an element to the one to prefetch in the next tile, which lies ahead whichever way rows go.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long NextTile(long rows, long stride, int taps) => (rows * Math.Abs(stride)) + Newest(stride, taps);

    // Backwards, a window's oldest rows have been read for the tile before, and its newest have not.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Newest(long stride, int taps) => stride < 0 ? (1 - taps) * stride : 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(float* place)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(place);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TSimd, TVector, TTaps>(float* to, long stride, TVector v0, TVector v1, TVector v2, TVector v3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        TSimd.Store(to, v0);
        if (TTaps.Count > 1)
        {
            TSimd.Store(to + stride, v1);
        }

        if (TTaps.Count > 2)
        {
            TSimd.Store(to + (2 * stride), v2);
        }

        if (TTaps.Count > 3)
        {
            TSimd.Store(to + (3 * stride), v3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TSimd, TVector, TTaps>(float* to, long stride, TVector v0, TVector v1, TVector v2, TVector v3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        TSimd.Store(to, TSimd.Add(TSimd.Load(to), v0));
        if (TTaps.Count > 1)
        {
            TSimd.Store(to + stride, TSimd.Add(TSimd.Load(to + stride), v1));
        }

        if (TTaps.Count > 2)
        {
            TSimd.Store(to + (2 * stride), TSimd.Add(TSimd.Load(to + (2 * stride)), v2));
        }

        if (TTaps.Count > 3)
        {
            TSimd.Store(to + (3 * stride), TSimd.Add(TSimd.Load(to + (3 * stride)), v3));
        }
    }
}

/// <summary>What a convolution adds to its sum, and how it stores it.</summary>
[Flags]
internal enum ConvolveMode
{
    None = 0,

    /// <summary>The current token's input is added.</summary>
    Residual = 1,

    /// <summary>What the destination holds is added.</summary>
    Accumulate = 2,

    /// <summary>The result goes past the caches; rows are aligned to the vector.</summary>
    NonTemporal = 4,
}

/// <summary>A number of taps that the compiler knows, so that loops over taps unroll and windows stay in registers.</summary>
internal interface ITaps
{
    /// <summary>The most taps that one loop combines; wider filters take several loops.</summary>
    const int Most = 4;

    static abstract int Count { get; }
}

internal readonly struct OneTap : ITaps
{
    public static int Count => 1;
}

internal readonly struct TwoTaps : ITaps
{
    public static int Count => 2;
}

internal readonly struct ThreeTaps : ITaps
{
    public static int Count => 3;
}

internal readonly struct FourTaps : ITaps
{
    public static int Count => 4;
}
