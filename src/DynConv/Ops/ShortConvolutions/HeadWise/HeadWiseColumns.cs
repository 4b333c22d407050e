using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// The inner loops of the head-wise convolutions where a filter meets nothing but tokens of its own sequence: those of
/// <see cref="ConvolutionColumns"/>, with the head's numbers read and their gradients summed row by row, in registers.
/// Heads consist of whole vectors.
/// </summary>
internal static unsafe class HeadWiseColumns
{
    /// <summary><c>to[i] = Σ_w (weights[i, w] + staticWeight[w]) · from[i - w]</c>, for backward passes with rows in reverse order.</summary>
    /// <param name="to">Results.</param>
    /// <param name="from">Inputs; rows before the first are read, too.</param>
    /// <param name="weights">The heads' numbers by row.</param>
    /// <param name="staticWeight">The static weight by tap, or null rows.</param>
    /// <param name="taps">W.</param>
    /// <param name="rows">Results to compute.</param>
    /// <param name="channels">Channels of a row.</param>
    /// <param name="mode">What is added to the sum, and how it is stored.</param>
    public static void Convolve<TSimd, TVector>(
        Strided to, Strided from, HeadRows weights, Strided staticWeight, int taps, long rows, long channels, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (; taps > ITaps.Most; taps -= ITaps.Most)
        {
            Convolve<TSimd, TVector, FourTaps>(to, from, weights, staticWeight, rows, channels, mode & ~ConvolveMode.NonTemporal);
            from = new(from[-ITaps.Most], from.Stride);
            weights = weights.FromTap(ITaps.Most);
            staticWeight = staticWeight.First is null ? staticWeight : new(staticWeight[ITaps.Most], staticWeight.Stride);
            mode = ConvolveMode.Accumulate;
        }

        switch (taps)
        {
            case 1: Convolve<TSimd, TVector, OneTap>(to, from, weights, staticWeight, rows, channels, mode); break;
            case 2: Convolve<TSimd, TVector, TwoTaps>(to, from, weights, staticWeight, rows, channels, mode); break;
            case 3: Convolve<TSimd, TVector, ThreeTaps>(to, from, weights, staticWeight, rows, channels, mode); break;
            default: Convolve<TSimd, TVector, FourTaps>(to, from, weights, staticWeight, rows, channels, mode); break;
        }
    }

    /// <summary>
    /// <c>gradient[i, w] = Σ_c dy[i, c] · from[i - w, c]</c> over the channels c of each head, and
    /// <c>sums[w] += Σ_i dy[i] · from[i - w]</c> where wanted; null where not.
    /// </summary>
    /// <param name="gradient">Gradients of the heads' numbers by row.</param>
    /// <param name="accumulate">Whether gradients are added to what is there.</param>
    /// <param name="sums">Sums over rows by tap, or null rows.</param>
    /// <param name="dy">Gradients of the results.</param>
    /// <param name="from">Inputs; rows before the first are read, too.</param>
    /// <param name="taps">W.</param>
    /// <param name="rows">Rows to multiply.</param>
    /// <param name="channels">Channels of a row.</param>
    public static void Multiply<TSimd, TVector>(
        HeadRows gradient, bool accumulate, Strided sums, Strided dy, Strided from, int taps, long rows, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (; taps > ITaps.Most; taps -= ITaps.Most)
        {
            Multiply<TSimd, TVector, FourTaps>(gradient, accumulate, sums, dy, from, rows, channels);
            from = new(from[-ITaps.Most], from.Stride);
            gradient = gradient.FromTap(ITaps.Most);
            sums = sums.First is null ? sums : new(sums[ITaps.Most], sums.Stride);
        }

        switch (taps)
        {
            case 1: Multiply<TSimd, TVector, OneTap>(gradient, accumulate, sums, dy, from, rows, channels); break;
            case 2: Multiply<TSimd, TVector, TwoTaps>(gradient, accumulate, sums, dy, from, rows, channels); break;
            case 3: Multiply<TSimd, TVector, ThreeTaps>(gradient, accumulate, sums, dy, from, rows, channels); break;
            default: Multiply<TSimd, TVector, FourTaps>(gradient, accumulate, sums, dy, from, rows, channels); break;
        }
    }

    /// <summary>Stores the sums of the lanes of up to four vectors, one a tap, or adds them to what is there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSums<TSimd, TVector>(float* to, int taps, bool add, TVector p0, TVector p1, TVector p2, TVector p3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        if (taps == ITaps.Most && !add)
        {
            TSimd.StoreSums(to, p0, p1, p2, p3);
            return;
        }

        Unsafe.SkipInit(out Vector128<float> sums);
        TSimd.StoreSums((float*)&sums, p0, p1, p2, p3);
        if (taps == ITaps.Most)
        {
            Simd128.Store(to, Simd128.Add(Simd128.Load(to), sums));
            return;
        }

        for (int w = 0; w < taps; w++)
        {
            to[w] = add ? to[w] + sums[w] : sums[w];
        }
    }

    /// <summary>From a head's number to the one to prefetch, as <see cref="ConvolutionColumns.Lookahead"/> has it for channels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Lookahead(HeadRows heads, long channel, long channels, long rows, int taps)
    {
        const long Ahead = ConvolutionColumns.Ahead;
        return channel + Ahead < channels
            ? ConvolutionColumns.NextTile(0, heads.RowStride, taps) + (Ahead / heads.HeadSize * heads.HeadStride)
            : ConvolutionColumns.NextTile(rows, heads.RowStride, taps) - (Math.Max(0, channels - Ahead) / heads.HeadSize * heads.HeadStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Convolve<TSimd, TVector, TTaps>(
        Strided to, Strided from, HeadRows weights, Strided staticWeight, long rows, long channels, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        bool residual = (mode & ConvolveMode.Residual) != 0;
        bool accumulate = (mode & ConvolveMode.Accumulate) != 0;
        bool nonTemporal = (mode & ConvolveMode.NonTemporal) != 0;
        bool hasStatic = staticWeight.First is not null;
        long tapStride = weights.TapStride;
        float* head = weights.First;
        long end = weights.FirstEnd;
        for (long c = 0; c < channels; c += TSimd.Width)
        {
            if (c >= end)
            {
                head += weights.HeadStride;
                end += weights.HeadSize;
            }

            TVector v1 = TTaps.Count > 1 ? TSimd.Load(from[-1] + c) : default;
            TVector v2 = TTaps.Count > 2 ? TSimd.Load(from[-2] + c) : default;
            TVector v3 = TTaps.Count > 3 ? TSimd.Load(from[-3] + c) : default;
            TVector s0 = default, s1 = default, s2 = default, s3 = default;
            if (hasStatic)
            {
                s0 = TSimd.Load(staticWeight[0] + c);
                s1 = TTaps.Count > 1 ? TSimd.Load(staticWeight[1] + c) : default;
                s2 = TTaps.Count > 2 ? TSimd.Load(staticWeight[2] + c) : default;
                s3 = TTaps.Count > 3 ? TSimd.Load(staticWeight[3] + c) : default;
            }

            long ahead = ConvolutionColumns.Lookahead(c, channels, rows, from.Stride, TTaps.Count);
            long weightsAhead = Lookahead(weights, c, channels, rows, TTaps.Count);
            float* k = head;
            float* x = from.First + c;
            float* y = to.First + c;
            for (long row = 0; row < rows; row++, x += from.Stride, y += to.Stride, k += weights.RowStride)
            {
                ConvolutionColumns.Prefetch(x + ahead);
                ConvolutionColumns.Prefetch(k + weightsAhead);
                TVector f0 = TSimd.Broadcast(*k);
                TVector f1 = TTaps.Count > 1 ? TSimd.Broadcast(k[tapStride]) : default;
                TVector f2 = TTaps.Count > 2 ? TSimd.Broadcast(k[2 * tapStride]) : default;
                TVector f3 = TTaps.Count > 3 ? TSimd.Broadcast(k[3 * tapStride]) : default;
                if (hasStatic)
                {
                    f0 = TSimd.Add(f0, s0);
                    f1 = TTaps.Count > 1 ? TSimd.Add(f1, s1) : default;
                    f2 = TTaps.Count > 2 ? TSimd.Add(f2, s2) : default;
                    f3 = TTaps.Count > 3 ? TSimd.Add(f3, s3) : default;
                }

                TVector v0 = TSimd.Load(x);
                TVector sum = TSimd.Multiply(f0, v0);
                sum = TTaps.Count > 1 ? TSimd.MultiplyAdd(f1, v1, sum) : sum;
                sum = TTaps.Count > 2 ? TSimd.MultiplyAdd(f2, v2, sum) : sum;
                sum = TTaps.Count > 3 ? TSimd.MultiplyAdd(f3, v3, sum) : sum;
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
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TSimd, TVector, TTaps>(
        HeadRows gradient, bool accumulate, Strided sums, Strided dy, Strided from, long rows, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        bool add = accumulate;
        float* head = gradient.First;
        long end = gradient.FirstEnd;
        for (long c = 0; c < channels; c += TSimd.Width)
        {
            if (c >= end)
            {
                head += gradient.HeadStride;
                end += gradient.HeadSize;
                add = accumulate;
            }

            TVector v1 = TTaps.Count > 1 ? TSimd.Load(from[-1] + c) : default;
            TVector v2 = TTaps.Count > 2 ? TSimd.Load(from[-2] + c) : default;
            TVector v3 = TTaps.Count > 3 ? TSimd.Load(from[-3] + c) : default;
            TVector s0 = default, s1 = default, s2 = default, s3 = default;
            long ahead = ConvolutionColumns.Lookahead(c, channels, rows, from.Stride, TTaps.Count);
            long dyAhead = ConvolutionColumns.Lookahead(c, channels, rows, dy.Stride, TTaps.Count);
            float* x = from.First + c;
            float* g = dy.First + c;
            long gradientAhead = Lookahead(gradient, c, channels, rows, TTaps.Count);
            float* to = head;
            for (long row = 0; row < rows; row++, x += from.Stride, g += dy.Stride, to += gradient.RowStride)
            {
                ConvolutionColumns.Prefetch(x + ahead);
                ConvolutionColumns.Prefetch(g + dyAhead);
                ConvolutionColumns.Prefetch(to + gradientAhead);
                TVector v0 = TSimd.Load(x);
                TVector upstream = TSimd.Load(g);
                StoreSums<TSimd, TVector>(
                    to,
                    TTaps.Count,
                    add,
                    TSimd.Multiply(upstream, v0),
                    TSimd.Multiply(upstream, v1),
                    TSimd.Multiply(upstream, v2),
                    TSimd.Multiply(upstream, v3));
                s0 = TSimd.MultiplyAdd(upstream, v0, s0);
                s1 = TSimd.MultiplyAdd(upstream, v1, s1);
                s2 = TSimd.MultiplyAdd(upstream, v2, s2);
                s3 = TSimd.MultiplyAdd(upstream, v3, s3);
                v3 = TTaps.Count > 3 ? v2 : default;
                v2 = TTaps.Count > 2 ? v1 : default;
                v1 = TTaps.Count > 1 ? v0 : default;
            }

            if (sums.First is not null)
            {
                ConvolutionColumns.Add<TSimd, TVector, TTaps>(sums.First + c, sums.Stride, s0, s1, s2, s3);
            }

            add = true;
        }
    }
}

/// <summary>Numbers that each row has for every tap of every head, for a block of channels.</summary>
/// <param name="Rows">The first head's tap 0 by row.</param>
/// <param name="TapStride">From one tap to the next.</param>
/// <param name="HeadStride">From one head to the next.</param>
/// <param name="HeadSize">Channels of a head.</param>
/// <param name="FirstEnd">Channels of the block that belong to the first head; the block may start inside it.</param>
internal readonly unsafe record struct HeadRows(Strided Rows, long TapStride, long HeadStride, long HeadSize, long FirstEnd)
{
    internal float* First => Rows.First;

    public long RowStride => Rows.Stride;

    /// <summary>The same without the first <paramref name="tap"/> taps.</summary>
    public HeadRows FromTap(int tap) => this with { Rows = new Strided(First + (tap * TapStride), RowStride) };

    /// <summary>
    /// The same rows backwards, with the taps that meet at one token: tap w of the row w further on.
    /// </summary>
    public HeadRows Back() => this with { Rows = new Strided(First, -RowStride), TapStride = RowStride + TapStride };
}
