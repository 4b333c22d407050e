using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

internal static unsafe partial class LowRankColumns
{
    /// <summary>Floats of working memory for the products of four tokens.</summary>
    public static long ScratchFloats(long rank) => FourRows * PaddedRank(rank) * (Simd512.Width + 1);

    /// <summary>
    /// All that the products <c>p[i, w] = dy[i] · x[i - w]</c> give: their sums over i for the static weight,
    /// <c>panel.Sums[r, w] += Σ_i z[i, r] · p[i, w]</c>, and <c>dz[i, r] += Σ_w,channels p[i, w] · filters[r, w]</c>.
    /// </summary>
    /// <param name="dy">Gradients of the results.</param>
    /// <param name="x">Inputs; the W - 1 rows before the first are read, too.</param>
    /// <param name="z">Factors.</param>
    /// <param name="dz">Sums for the factors' gradients, <c>[rows, R]</c>.</param>
    /// <param name="panel">The learned filters and the sums for their gradients.</param>
    /// <param name="staticSums">Sums for the static weight's gradient, <c>[W, channels]</c>; null where not wanted.</param>
    /// <param name="scratch"><see cref="ScratchFloats"/> of memory.</param>
    /// <param name="taps">W.</param>
    /// <param name="rows">Tokens.</param>
    public static void Multiply<TSimd, TVector>(
        Strided dy, Strided x, Strided z, Strided dz, in LowRankPanel panel, float* staticSums, float* scratch, int taps, long rows)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        switch (taps)
        {
            case 1: Multiply<TSimd, TVector, OneTap>(dy, x, z, dz, panel, staticSums, scratch, rows); break;
            case 2: Multiply<TSimd, TVector, TwoTaps>(dy, x, z, dz, panel, staticSums, scratch, rows); break;
            case 3: Multiply<TSimd, TVector, ThreeTaps>(dy, x, z, dz, panel, staticSums, scratch, rows); break;
            default: Multiply<TSimd, TVector, FourTaps>(dy, x, z, dz, panel, staticSums, scratch, rows); break;
        }
    }

    private static long PaddedRank(long rank) => (rank + ITaps.Most - 1) / ITaps.Most * ITaps.Most;

    private static void Multiply<TSimd, TVector, TTaps>(
        Strided dy, Strided x, Strided z, Strided dz, in LowRankPanel panel, float* staticSums, float* scratch, long rows)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        long row = 0;
        for (; row + FourRows <= rows; row += FourRows)
        {
            MultiplyRows<TSimd, TVector, TTaps, Four>(dy.From(row), x.From(row), z.From(row), dz.From(row), panel, staticSums, scratch);
        }

        for (; row < rows; row++)
        {
            MultiplyRows<TSimd, TVector, TTaps, One>(dy.From(row), x.From(row), z.From(row), dz.From(row), panel, staticSums, scratch);
        }
    }

    private static void MultiplyRows<TSimd, TVector, TTaps, TRows>(
        Strided dy, Strided x, Strided z, Strided dz, in LowRankPanel panel, float* staticSums, float* scratch)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
        where TRows : struct, IRows
    {
        long whole = panel.Channels / TSimd.Width * TSimd.Width;
        if (whole > 0)
        {
            Multiply<TSimd, TVector, TTaps, TRows>(dy, x, z, panel, staticSums, scratch, 0, whole);
            AddSums<TSimd, TVector>(scratch, dz, panel.Rank, TRows.Count);
        }

        if (whole < panel.Channels)
        {
            Multiply<SimdScalar, float, TTaps, TRows>(dy, x, z, panel, staticSums, scratch, whole, panel.Channels);
            AddSums<SimdScalar, float>(scratch, dz, panel.Rank, TRows.Count);
        }
    }

    /// <summary>Adds up the lanes of <c>sums[rows, R]</c>, a vector each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddSums<TSimd, TVector>(float* sums, Strided dz, long rank, int rows)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float* four = stackalloc float[ITaps.Most];
        long padded = PaddedRank(rank);
        for (int row = 0; row < rows; row++)
        {
            float* to = dz[row];
            float* from = sums + (row * padded * TSimd.Width);
            for (long r = 0; r < rank; r += ITaps.Most, from += ITaps.Most * TSimd.Width)
            {
                TSimd.StoreSums(
                    four,
                    TSimd.Load(from),
                    TSimd.Load(from + TSimd.Width),
                    TSimd.Load(from + (2 * TSimd.Width)),
                    TSimd.Load(from + (3 * TSimd.Width)));
                for (long i = r; i < Math.Min(rank, r + ITaps.Most); i++)
                {
                    to[i] += four[i - r];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TSimd, TVector, TTaps, TRows>(
        Strided dy, Strided x, Strided z, LowRankPanel panel, float* staticSums, float* sums, long start, long end)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
        where TRows : struct, IRows
    {
        int width = TSimd.Width;
        long tap = panel.Channels;
        long filterStride = tap * TTaps.Count;
        long rank = panel.Rank;
        long zStride = z.Stride;
        long sumStride = PaddedRank(rank) * width;
        float* z0 = z.First;
        float* z3 = z0 + (3 * zStride);
        new Span<float>(sums, checked((int)(TRows.Count * sumStride))).Clear();
        for (long c = start; c < end; c += width)
        {
            PrefetchNext(dy, c);
            PrefetchNext(x, c);
            long back = x.Stride;
            float* at = x.First + c;
            TVector dy0 = TSimd.Load(dy.First + c);
            TVector p00 = TSimd.Multiply(dy0, TSimd.Load(at));
            TVector p01 = TTaps.Count > 1 ? TSimd.Multiply(dy0, TSimd.Load(at - back)) : default;
            TVector p02 = TTaps.Count > 2 ? TSimd.Multiply(dy0, TSimd.Load(at - (2 * back))) : default;
            TVector p03 = TTaps.Count > 3 ? TSimd.Multiply(dy0, TSimd.Load(at - (3 * back))) : default;
            TVector p10 = default, p11 = default, p12 = default, p13 = default;
            TVector p20 = default, p21 = default, p22 = default, p23 = default;
            TVector p30 = default, p31 = default, p32 = default, p33 = default;
            if (TRows.Count > 1)
            {
                TVector dy1 = TSimd.Load(dy[1] + c);
                TVector dy2 = TSimd.Load(dy[2] + c);
                TVector dy3 = TSimd.Load(dy[3] + c);
                p10 = TSimd.Multiply(dy1, TSimd.Load(at + back));
                p11 = TTaps.Count > 1 ? TSimd.Multiply(dy1, TSimd.Load(at)) : default;
                p12 = TTaps.Count > 2 ? TSimd.Multiply(dy1, TSimd.Load(at - back)) : default;
                p13 = TTaps.Count > 3 ? TSimd.Multiply(dy1, TSimd.Load(at - (2 * back))) : default;
                p20 = TSimd.Multiply(dy2, TSimd.Load(at + (2 * back)));
                p21 = TTaps.Count > 1 ? TSimd.Multiply(dy2, TSimd.Load(at + back)) : default;
                p22 = TTaps.Count > 2 ? TSimd.Multiply(dy2, TSimd.Load(at)) : default;
                p23 = TTaps.Count > 3 ? TSimd.Multiply(dy2, TSimd.Load(at - back)) : default;
                p30 = TSimd.Multiply(dy3, TSimd.Load(at + (3 * back)));
                p31 = TTaps.Count > 1 ? TSimd.Multiply(dy3, TSimd.Load(at + (2 * back))) : default;
                p32 = TTaps.Count > 2 ? TSimd.Multiply(dy3, TSimd.Load(at + back)) : default;
                p33 = TTaps.Count > 3 ? TSimd.Multiply(dy3, TSimd.Load(at)) : default;
            }

            if (staticSums is not null)
            {
                AddTo<TSimd, TVector>(staticSums + c, p00, p10, p20, p30);
                if (TTaps.Count > 1)
                {
                    AddTo<TSimd, TVector>(staticSums + c + tap, p01, p11, p21, p31);
                }

                if (TTaps.Count > 2)
                {
                    AddTo<TSimd, TVector>(staticSums + c + (2 * tap), p02, p12, p22, p32);
                }

                if (TTaps.Count > 3)
                {
                    AddTo<TSimd, TVector>(staticSums + c + (3 * tap), p03, p13, p23, p33);
                }
            }

            float* u = panel.Filters + c;
            float* du = panel.Sums + c;
            float* sum = sums;
            for (long r = 0; r < rank; r++, u += filterStride, du += filterStride, sum += width)
            {
                TVector f0 = TSimd.Broadcast(z0[r]);
                TVector f1 = TRows.Count > 1 ? TSimd.Broadcast(z0[r + zStride]) : default;
                TVector f2 = TRows.Count > 1 ? TSimd.Broadcast(z0[r + (2 * zStride)]) : default;
                TVector f3 = TRows.Count > 1 ? TSimd.Broadcast(z3[r]) : default;
                TVector s0 = TSimd.Load(sum);
                TVector s1 = TRows.Count > 1 ? TSimd.Load(sum + sumStride) : default;
                TVector s2 = TRows.Count > 1 ? TSimd.Load(sum + (2 * sumStride)) : default;
                TVector s3 = TRows.Count > 1 ? TSimd.Load(sum + (3 * sumStride)) : default;

                TVector learned = TSimd.Load(u);
                TVector gradient = TSimd.MultiplyAdd(f0, p00, TSimd.Load(du));
                s0 = TSimd.MultiplyAdd(p00, learned, s0);
                if (TRows.Count > 1)
                {
                    gradient = TSimd.MultiplyAdd(f1, p10, gradient);
                    s1 = TSimd.MultiplyAdd(p10, learned, s1);
                    gradient = TSimd.MultiplyAdd(f2, p20, gradient);
                    s2 = TSimd.MultiplyAdd(p20, learned, s2);
                    gradient = TSimd.MultiplyAdd(f3, p30, gradient);
                    s3 = TSimd.MultiplyAdd(p30, learned, s3);
                }

                TSimd.Store(du, gradient);
                if (TTaps.Count > 1)
                {
                    learned = TSimd.Load(u + tap);
                    gradient = TSimd.MultiplyAdd(f0, p01, TSimd.Load(du + tap));
                    s0 = TSimd.MultiplyAdd(p01, learned, s0);
                    if (TRows.Count > 1)
                    {
                        gradient = TSimd.MultiplyAdd(f1, p11, gradient);
                        s1 = TSimd.MultiplyAdd(p11, learned, s1);
                        gradient = TSimd.MultiplyAdd(f2, p21, gradient);
                        s2 = TSimd.MultiplyAdd(p21, learned, s2);
                        gradient = TSimd.MultiplyAdd(f3, p31, gradient);
                        s3 = TSimd.MultiplyAdd(p31, learned, s3);
                    }

                    TSimd.Store(du + tap, gradient);
                }

                if (TTaps.Count > 2)
                {
                    learned = TSimd.Load(u + (2 * tap));
                    gradient = TSimd.MultiplyAdd(f0, p02, TSimd.Load(du + (2 * tap)));
                    s0 = TSimd.MultiplyAdd(p02, learned, s0);
                    if (TRows.Count > 1)
                    {
                        gradient = TSimd.MultiplyAdd(f1, p12, gradient);
                        s1 = TSimd.MultiplyAdd(p12, learned, s1);
                        gradient = TSimd.MultiplyAdd(f2, p22, gradient);
                        s2 = TSimd.MultiplyAdd(p22, learned, s2);
                        gradient = TSimd.MultiplyAdd(f3, p32, gradient);
                        s3 = TSimd.MultiplyAdd(p32, learned, s3);
                    }

                    TSimd.Store(du + (2 * tap), gradient);
                }

                if (TTaps.Count > 3)
                {
                    learned = TSimd.Load(u + (3 * tap));
                    gradient = TSimd.MultiplyAdd(f0, p03, TSimd.Load(du + (3 * tap)));
                    s0 = TSimd.MultiplyAdd(p03, learned, s0);
                    if (TRows.Count > 1)
                    {
                        gradient = TSimd.MultiplyAdd(f1, p13, gradient);
                        s1 = TSimd.MultiplyAdd(p13, learned, s1);
                        gradient = TSimd.MultiplyAdd(f2, p23, gradient);
                        s2 = TSimd.MultiplyAdd(p23, learned, s2);
                        gradient = TSimd.MultiplyAdd(f3, p33, gradient);
                        s3 = TSimd.MultiplyAdd(p33, learned, s3);
                    }

                    TSimd.Store(du + (3 * tap), gradient);
                }

                TSimd.Store(sum, s0);
                if (TRows.Count > 1)
                {
                    TSimd.Store(sum + sumStride, s1);
                    TSimd.Store(sum + (2 * sumStride), s2);
                    TSimd.Store(sum + (3 * sumStride), s3);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo<TSimd, TVector>(float* to, TVector v0, TVector v1, TVector v2, TVector v3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct =>
        TSimd.Store(to, TSimd.Add(TSimd.Load(to), TSimd.Add(TSimd.Add(v0, v1), TSimd.Add(v2, v3))));
}
