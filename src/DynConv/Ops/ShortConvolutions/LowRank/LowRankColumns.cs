using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// The inner loops of the low-rank convolution, for filters of up to four taps and machines with 32 vector registers.
/// The filters of four tokens and one vector's channels are made, used and forgotten in 16 registers; so are the
/// products <c>dy[i] · x[i - w]</c> of the backward pass.
/// </summary>
internal static unsafe partial class LowRankColumns
{
    private const int FourRows = 4;

    private interface IRows
    {
        static abstract int Count { get; }
    }

    private interface IDirection
    {
        static abstract bool IsBackward { get; }
    }

    /// <summary>Whether the registers suffice.</summary>
    public static bool Suits(int taps) => Simd.Level == SimdLevel.Vector512 && taps <= ITaps.Most;

    /// <summary>
    /// <c>to[i] = Σ_w filter[i, w] · from[i - w]</c> or, in the backward direction,
    /// <c>to[i] = Σ_w filter[i + w, w] · from[i + w]</c>, where <c>filter[i] = initial + Σ_r z[i, r] · filters[r]</c>.
    /// </summary>
    /// <param name="to">Results.</param>
    /// <param name="from">Inputs; the W - 1 rows before the first or behind the last are read, too.</param>
    /// <param name="z">Factors; in the backward direction also of the W - 1 rows behind the last.</param>
    /// <param name="panel">The learned filters.</param>
    /// <param name="taps">W.</param>
    /// <param name="rows">Results to compute.</param>
    /// <param name="mode">What is added to the sum, and how it is stored.</param>
    /// <param name="backward">The direction.</param>
    public static void Convolve<TSimd, TVector>(
        Strided to, Strided from, Strided z, in LowRankPanel panel, int taps, long rows, ConvolveMode mode, bool backward)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        switch (taps)
        {
            case 1: Convolve<TSimd, TVector, OneTap>(to, from, z, panel, rows, mode, backward); break;
            case 2: Convolve<TSimd, TVector, TwoTaps>(to, from, z, panel, rows, mode, backward); break;
            case 3: Convolve<TSimd, TVector, ThreeTaps>(to, from, z, panel, rows, mode, backward); break;
            default: Convolve<TSimd, TVector, FourTaps>(to, from, z, panel, rows, mode, backward); break;
        }
    }

    private static void Convolve<TSimd, TVector, TTaps>(
        Strided to, Strided from, Strided z, in LowRankPanel panel, long rows, ConvolveMode mode, bool backward)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        long row = 0;
        for (; row + FourRows <= rows; row += FourRows)
        {
            ConvolveRows<TSimd, TVector, TTaps, Four>(to.From(row), from.From(row), z.From(row), panel, mode, backward);
        }

        for (; row < rows; row++)
        {
            ConvolveRows<TSimd, TVector, TTaps, One>(to.From(row), from.From(row), z.From(row), panel, mode, backward);
        }
    }

    private static void ConvolveRows<TSimd, TVector, TTaps, TRows>(
        Strided to, Strided from, Strided z, in LowRankPanel panel, ConvolveMode mode, bool backward)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
        where TRows : struct, IRows
    {
        long whole = panel.Channels / TSimd.Width * TSimd.Width;
        if (backward)
        {
            Convolve<TSimd, TVector, TTaps, TRows, Backward>(to, from, z, panel, 0, whole, mode);
            Convolve<SimdScalar, float, TTaps, TRows, Backward>(to, from, z, panel, whole, panel.Channels, mode);
        }
        else
        {
            Convolve<TSimd, TVector, TTaps, TRows, Forward>(to, from, z, panel, 0, whole, mode);
            Convolve<SimdScalar, float, TTaps, TRows, Forward>(to, from, z, panel, whole, panel.Channels, mode);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Convolve<TSimd, TVector, TTaps, TRows, TDirection>(
        Strided to, Strided from, Strided z, LowRankPanel panel, long start, long end, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
        where TRows : struct, IRows
        where TDirection : struct, IDirection
    {
        long tap = panel.Channels;
        long filterStride = tap * TTaps.Count;
        long rank = panel.Rank;
        long zStride = z.Stride;
        float* z0 = z.First;
        float* z3 = z0 + (3 * zStride);
        for (long c = start; c < end; c += TSimd.Width)
        {
            PrefetchNext(from, c);
            float* initial = panel.Initial + c;
            TVector f00 = TSimd.Load(initial);
            TVector f01 = TTaps.Count > 1 ? TSimd.Load(initial + tap) : default;
            TVector f02 = TTaps.Count > 2 ? TSimd.Load(initial + (2 * tap)) : default;
            TVector f03 = TTaps.Count > 3 ? TSimd.Load(initial + (3 * tap)) : default;
            TVector f10 = f00, f11 = f01, f12 = f02, f13 = f03;
            TVector f20 = f00, f21 = f01, f22 = f02, f23 = f03;
            TVector f30 = f00, f31 = f01, f32 = f02, f33 = f03;
            float* u = panel.Filters + c;
            for (long r = 0; r < rank; r++, u += filterStride)
            {
                TVector u0 = TSimd.Load(u);
                TVector u1 = TTaps.Count > 1 ? TSimd.Load(u + tap) : default;
                TVector u2 = TTaps.Count > 2 ? TSimd.Load(u + (2 * tap)) : default;
                TVector u3 = TTaps.Count > 3 ? TSimd.Load(u + (3 * tap)) : default;
                TVector factor = TSimd.Broadcast(z0[r]);
                f00 = TSimd.MultiplyAdd(factor, u0, f00);
                if (!TDirection.IsBackward)
                {
                    // Row i mixes all its taps with z[i].
                    f01 = TSimd.MultiplyAdd(factor, u1, f01);
                    f02 = TSimd.MultiplyAdd(factor, u2, f02);
                    f03 = TSimd.MultiplyAdd(factor, u3, f03);
                    if (TRows.Count > 1)
                    {
                        factor = TSimd.Broadcast(z0[r + zStride]);
                        f10 = TSimd.MultiplyAdd(factor, u0, f10);
                        f11 = TSimd.MultiplyAdd(factor, u1, f11);
                        f12 = TSimd.MultiplyAdd(factor, u2, f12);
                        f13 = TSimd.MultiplyAdd(factor, u3, f13);
                        factor = TSimd.Broadcast(z0[r + (2 * zStride)]);
                        f20 = TSimd.MultiplyAdd(factor, u0, f20);
                        f21 = TSimd.MultiplyAdd(factor, u1, f21);
                        f22 = TSimd.MultiplyAdd(factor, u2, f22);
                        f23 = TSimd.MultiplyAdd(factor, u3, f23);
                        factor = TSimd.Broadcast(z3[r]);
                        f30 = TSimd.MultiplyAdd(factor, u0, f30);
                        f31 = TSimd.MultiplyAdd(factor, u1, f31);
                        f32 = TSimd.MultiplyAdd(factor, u2, f32);
                        f33 = TSimd.MultiplyAdd(factor, u3, f33);
                    }
                }
                else
                {
                    // Tap w of row i is that of token i + w: each factor serves a diagonal.
                    if (TTaps.Count > 1 || TRows.Count > 1)
                    {
                        factor = TSimd.Broadcast(z0[r + zStride]);
                        f01 = TSimd.MultiplyAdd(factor, u1, f01);
                        f10 = TRows.Count > 1 ? TSimd.MultiplyAdd(factor, u0, f10) : f10;
                    }

                    if (TTaps.Count > 2 || TRows.Count > 1)
                    {
                        factor = TSimd.Broadcast(z0[r + (2 * zStride)]);
                        f02 = TSimd.MultiplyAdd(factor, u2, f02);
                        f11 = TRows.Count > 1 ? TSimd.MultiplyAdd(factor, u1, f11) : f11;
                        f20 = TRows.Count > 1 ? TSimd.MultiplyAdd(factor, u0, f20) : f20;
                    }

                    if (TTaps.Count > 3 || TRows.Count > 1)
                    {
                        factor = TSimd.Broadcast(z3[r]);
                        f03 = TSimd.MultiplyAdd(factor, u3, f03);
                        f12 = TRows.Count > 1 ? TSimd.MultiplyAdd(factor, u2, f12) : f12;
                        f21 = TRows.Count > 1 ? TSimd.MultiplyAdd(factor, u1, f21) : f21;
                        f30 = TRows.Count > 1 ? TSimd.MultiplyAdd(factor, u0, f30) : f30;
                    }

                    if (TRows.Count > 1 && TTaps.Count > 1)
                    {
                        factor = TSimd.Broadcast(z3[r + zStride]);
                        f13 = TSimd.MultiplyAdd(factor, u3, f13);
                        f22 = TSimd.MultiplyAdd(factor, u2, f22);
                        f31 = TSimd.MultiplyAdd(factor, u1, f31);
                    }

                    if (TRows.Count > 1 && TTaps.Count > 2)
                    {
                        factor = TSimd.Broadcast(z3[r + (2 * zStride)]);
                        f23 = TSimd.MultiplyAdd(factor, u3, f23);
                        f32 = TSimd.MultiplyAdd(factor, u2, f32);
                    }

                    if (TRows.Count > 1 && TTaps.Count > 3)
                    {
                        factor = TSimd.Broadcast(z3[r + (3 * zStride)]);
                        f33 = TSimd.MultiplyAdd(factor, u3, f33);
                    }
                }
            }

            long step = TDirection.IsBackward ? from.Stride : -from.Stride;
            float* x = from.First + c;
            float* y = to.First + c;
            Store<TSimd, TVector, TTaps>(y, x, step, f00, f01, f02, f03, mode);
            if (TRows.Count > 1)
            {
                Store<TSimd, TVector, TTaps>(y += to.Stride, x += from.Stride, step, f10, f11, f12, f13, mode);
                Store<TSimd, TVector, TTaps>(y += to.Stride, x += from.Stride, step, f20, f21, f22, f23, mode);
                Store<TSimd, TVector, TTaps>(y += to.Stride, x += from.Stride, step, f30, f31, f32, f33, mode);
            }
        }
    }

    /// <summary>
    /// Asks for the rows that the next four tokens start from. A block's rows are too far apart for the hardware to see
    /// that they follow one another.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchNext(Strided rows, long channel)
    {
        if (Sse.IsSupported)
        {
            float* next = rows[FourRows] + channel;
            Sse.Prefetch0(next);
            Sse.Prefetch0(next + rows.Stride);
            Sse.Prefetch0(next + (2 * rows.Stride));
            Sse.Prefetch0(next + (3 * rows.Stride));
        }
    }

    // Rounds as ConvolutionColumns does.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TSimd, TVector, TTaps>(
        float* y, float* x, long step, TVector f0, TVector f1, TVector f2, TVector f3, ConvolveMode mode)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        TVector current = TSimd.Load(x);
        TVector sum = TSimd.Multiply(f0, current);
        sum = TTaps.Count > 1 ? TSimd.MultiplyAdd(f1, TSimd.Load(x + step), sum) : sum;
        sum = TTaps.Count > 2 ? TSimd.MultiplyAdd(f2, TSimd.Load(x + (2 * step)), sum) : sum;
        sum = TTaps.Count > 3 ? TSimd.MultiplyAdd(f3, TSimd.Load(x + (3 * step)), sum) : sum;
        if ((mode & ConvolveMode.Residual) != 0)
        {
            sum = TSimd.Add(sum, current);
        }

        if ((mode & ConvolveMode.Accumulate) != 0)
        {
            sum = TSimd.Add(sum, TSimd.Load(y));
        }

        if ((mode & ConvolveMode.NonTemporal) != 0)
        {
            TSimd.StoreNonTemporal(y, sum);
        }
        else
        {
            TSimd.Store(y, sum);
        }
    }

    private readonly struct One : IRows
    {
        public static int Count => 1;
    }

    private readonly struct Four : IRows
    {
        public static int Count => FourRows;
    }

    private readonly struct Forward : IDirection
    {
        public static bool IsBackward => false;
    }

    private readonly struct Backward : IDirection
    {
        public static bool IsBackward => true;
    }
}

/// <summary>The learned filters of a block of channels, copied together.</summary>
/// <param name="filters"><c>[R, W, channels]</c>.</param>
/// <param name="initial"><c>[W, channels]</c>: what a filter is before anything is mixed into it.</param>
/// <param name="sums">Gradients of the filters, in their layout.</param>
/// <param name="rank">R.</param>
/// <param name="channels">Channels of the block.</param>
internal readonly unsafe struct LowRankPanel(float* filters, float* initial, float* sums, long rank, long channels)
{
    public float* Filters { get; } = filters;

    public float* Initial { get; } = initial;

    public float* Sums { get; } = sums;

    public long Rank { get; } = rank;

    public long Channels { get; } = channels;
}
