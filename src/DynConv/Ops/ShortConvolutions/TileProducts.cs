using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// Matrix products of tiles that lie in the L1 cache. Blocks of 4 × 4 vectors stay in registers: 8 loads feed 16
/// multiply-adds, so the load units idle half of the time.
/// </summary>
internal static unsafe class TileProducts
{
    private const int Rows = 4;
    private const int Vectors = 4;

    private interface IRows
    {
        static abstract int Count { get; }
    }

    /// <summary>
    /// <c>c[m, n] = initial[m, n] + Σ_k a[m, k] · b[k, n]</c> with n contiguous in b, c and initial, which may be c.
    /// </summary>
    public static void Multiply<TSimd, TVector>(
        Operand a, float* b, long bStride, float* initial, long initialStride, float* c, long cStride, long m, long k, long n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long row = 0;
        for (; row + Rows <= m; row += Rows)
        {
            Multiply<TSimd, TVector, FourRows>(
                a.From(row), b, bStride, initial + (row * initialStride), initialStride, c + (row * cStride), cStride, k, n);
        }

        for (; row < m; row++)
        {
            Multiply<TSimd, TVector, OneRow>(
                a.From(row), b, bStride, initial + (row * initialStride), initialStride, c + (row * cStride), cStride, k, n);
        }
    }

    /// <summary><c>c[m, k] += Σ_n a[m, n] · b[k, n]</c> with n contiguous in a and b.</summary>
    public static void AddDots<TSimd, TVector>(
        float* a, long aStride, float* b, long bStride, float* c, long cStride, long m, long k, long n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long row = 0;
        for (; row + Rows <= m; row += Rows)
        {
            long column = 0;
            for (; column + Vectors <= k; column += Vectors)
            {
                AddDots<TSimd, TVector>(
                    a + (row * aStride), aStride, b + (column * bStride), bStride, c + (row * cStride) + column, cStride, n);
            }

            for (; column < k; column++)
            {
                for (long i = row; i < row + Rows; i++)
                {
                    c[(i * cStride) + column] += Dot<TSimd, TVector>(a + (i * aStride), b + (column * bStride), n);
                }
            }
        }

        for (; row < m; row++)
        {
            for (long column = 0; column < k; column++)
            {
                c[(row * cStride) + column] += Dot<TSimd, TVector>(a + (row * aStride), b + (column * bStride), n);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot<TSimd, TVector>(float* a, float* b, long n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector sum = TSimd.Zero;
        long i = 0;
        for (; i + TSimd.Width <= n; i += TSimd.Width)
        {
            sum = TSimd.MultiplyAdd(TSimd.Load(a + i), TSimd.Load(b + i), sum);
        }

        float rest = 0;
        for (; i < n; i++)
        {
            rest = SimdScalar.MultiplyAdd(a[i], b[i], rest);
        }

        return TSimd.Sum(sum) + rest;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TSimd, TVector, TRows>(
        Operand a, float* b, long bStride, float* initial, long initialStride, float* c, long cStride, long k, long n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TRows : struct, IRows
    {
        int width = TSimd.Width;
        long j = 0;
        for (; j + (Vectors * width) <= n; j += Vectors * width)
        {
            float* i0 = initial + j;
            float* i1 = i0 + initialStride;
            float* i2 = i1 + initialStride;
            float* i3 = i2 + initialStride;
            TVector c00 = TSimd.Load(i0);
            TVector c01 = TSimd.Load(i0 + width);
            TVector c02 = TSimd.Load(i0 + (2 * width));
            TVector c03 = TSimd.Load(i0 + (3 * width));
            TVector c10 = default, c11 = default, c12 = default, c13 = default;
            TVector c20 = default, c21 = default, c22 = default, c23 = default;
            TVector c30 = default, c31 = default, c32 = default, c33 = default;
            if (TRows.Count > 1)
            {
                c10 = TSimd.Load(i1);
                c11 = TSimd.Load(i1 + width);
                c12 = TSimd.Load(i1 + (2 * width));
                c13 = TSimd.Load(i1 + (3 * width));
                c20 = TSimd.Load(i2);
                c21 = TSimd.Load(i2 + width);
                c22 = TSimd.Load(i2 + (2 * width));
                c23 = TSimd.Load(i2 + (3 * width));
                c30 = TSimd.Load(i3);
                c31 = TSimd.Load(i3 + width);
                c32 = TSimd.Load(i3 + (2 * width));
                c33 = TSimd.Load(i3 + (3 * width));
            }

            float* a0 = a.Data;
            float* a1 = a0 + a.RowStride;
            float* a2 = a1 + a.RowStride;
            float* a3 = a2 + a.RowStride;
            long aStep = 0;
            float* at = b + j;
            for (long i = 0; i < k; i++, aStep += a.ColumnStride, at += bStride)
            {
                TVector b0 = TSimd.Load(at);
                TVector b1 = TSimd.Load(at + width);
                TVector b2 = TSimd.Load(at + (2 * width));
                TVector b3 = TSimd.Load(at + (3 * width));
                TVector factor = TSimd.Broadcast(a0[aStep]);
                c00 = TSimd.MultiplyAdd(factor, b0, c00);
                c01 = TSimd.MultiplyAdd(factor, b1, c01);
                c02 = TSimd.MultiplyAdd(factor, b2, c02);
                c03 = TSimd.MultiplyAdd(factor, b3, c03);
                if (TRows.Count > 1)
                {
                    factor = TSimd.Broadcast(a1[aStep]);
                    c10 = TSimd.MultiplyAdd(factor, b0, c10);
                    c11 = TSimd.MultiplyAdd(factor, b1, c11);
                    c12 = TSimd.MultiplyAdd(factor, b2, c12);
                    c13 = TSimd.MultiplyAdd(factor, b3, c13);
                    factor = TSimd.Broadcast(a2[aStep]);
                    c20 = TSimd.MultiplyAdd(factor, b0, c20);
                    c21 = TSimd.MultiplyAdd(factor, b1, c21);
                    c22 = TSimd.MultiplyAdd(factor, b2, c22);
                    c23 = TSimd.MultiplyAdd(factor, b3, c23);
                    factor = TSimd.Broadcast(a3[aStep]);
                    c30 = TSimd.MultiplyAdd(factor, b0, c30);
                    c31 = TSimd.MultiplyAdd(factor, b1, c31);
                    c32 = TSimd.MultiplyAdd(factor, b2, c32);
                    c33 = TSimd.MultiplyAdd(factor, b3, c33);
                }
            }

            float* row = c + j;
            StoreFour<TSimd, TVector>(row, c00, c01, c02, c03);
            if (TRows.Count > 1)
            {
                StoreFour<TSimd, TVector>(row += cStride, c10, c11, c12, c13);
                StoreFour<TSimd, TVector>(row += cStride, c20, c21, c22, c23);
                StoreFour<TSimd, TVector>(row += cStride, c30, c31, c32, c33);
            }
        }

        for (; j + width <= n; j += width)
        {
            MultiplyColumn<TSimd, TVector>(
                a, b + j, bStride, initial + j, initialStride, c + j, cStride, TRows.Count, k);
        }

        for (; j < n; j++)
        {
            MultiplyColumn<SimdScalar, float>(
                a, b + j, bStride, initial + j, initialStride, c + j, cStride, TRows.Count, k);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyColumn<TSimd, TVector>(
        Operand a, float* b, long bStride, float* initial, long initialStride, float* c, long cStride, int rows, long k)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int row = 0; row < rows; row++)
        {
            TVector sum = TSimd.Load(initial + (row * initialStride));
            float* factor = a.Data + (row * a.RowStride);
            float* at = b;
            for (long i = 0; i < k; i++, factor += a.ColumnStride, at += bStride)
            {
                sum = TSimd.MultiplyAdd(TSimd.Broadcast(*factor), TSimd.Load(at), sum);
            }

            TSimd.Store(c + (row * cStride), sum);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddDots<TSimd, TVector>(
        float* a, long aStride, float* b, long bStride, float* c, long cStride, long n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float* a1 = a + aStride;
        float* a2 = a1 + aStride;
        float* a3 = a2 + aStride;
        float* b1 = b + bStride;
        float* b2 = b1 + bStride;
        float* b3 = b2 + bStride;
        TVector c00 = default, c01 = default, c02 = default, c03 = default;
        TVector c10 = default, c11 = default, c12 = default, c13 = default;
        TVector c20 = default, c21 = default, c22 = default, c23 = default;
        TVector c30 = default, c31 = default, c32 = default, c33 = default;
        long j = 0;
        for (; j + TSimd.Width <= n; j += TSimd.Width)
        {
            TVector v0 = TSimd.Load(b + j);
            TVector v1 = TSimd.Load(b1 + j);
            TVector v2 = TSimd.Load(b2 + j);
            TVector v3 = TSimd.Load(b3 + j);
            TVector row = TSimd.Load(a + j);
            c00 = TSimd.MultiplyAdd(row, v0, c00);
            c01 = TSimd.MultiplyAdd(row, v1, c01);
            c02 = TSimd.MultiplyAdd(row, v2, c02);
            c03 = TSimd.MultiplyAdd(row, v3, c03);
            row = TSimd.Load(a1 + j);
            c10 = TSimd.MultiplyAdd(row, v0, c10);
            c11 = TSimd.MultiplyAdd(row, v1, c11);
            c12 = TSimd.MultiplyAdd(row, v2, c12);
            c13 = TSimd.MultiplyAdd(row, v3, c13);
            row = TSimd.Load(a2 + j);
            c20 = TSimd.MultiplyAdd(row, v0, c20);
            c21 = TSimd.MultiplyAdd(row, v1, c21);
            c22 = TSimd.MultiplyAdd(row, v2, c22);
            c23 = TSimd.MultiplyAdd(row, v3, c23);
            row = TSimd.Load(a3 + j);
            c30 = TSimd.MultiplyAdd(row, v0, c30);
            c31 = TSimd.MultiplyAdd(row, v1, c31);
            c32 = TSimd.MultiplyAdd(row, v2, c32);
            c33 = TSimd.MultiplyAdd(row, v3, c33);
        }

        AddSums<TSimd, TVector>(c, c00, c01, c02, c03);
        AddSums<TSimd, TVector>(c + cStride, c10, c11, c12, c13);
        AddSums<TSimd, TVector>(c + (2 * cStride), c20, c21, c22, c23);
        AddSums<TSimd, TVector>(c + (3 * cStride), c30, c31, c32, c33);
        for (; j < n; j++)
        {
            for (int row = 0; row < Rows; row++)
            {
                for (int column = 0; column < Vectors; column++)
                {
                    c[(row * cStride) + column] += a[(row * aStride) + j] * b[(column * bStride) + j];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFour<TSimd, TVector>(float* to, TVector v0, TVector v1, TVector v2, TVector v3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TSimd.Store(to, v0);
        TSimd.Store(to + TSimd.Width, v1);
        TSimd.Store(to + (2 * TSimd.Width), v2);
        TSimd.Store(to + (3 * TSimd.Width), v3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSums<TSimd, TVector>(float* to, TVector v0, TVector v1, TVector v2, TVector v3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float* sums = stackalloc float[Vectors];
        TSimd.StoreSums(sums, v0, v1, v2, v3);
        for (int i = 0; i < Vectors; i++)
        {
            to[i] += sums[i];
        }
    }

    /// <summary>A matrix of any strides.</summary>
    public readonly struct Operand(float* data, long rowStride, long columnStride)
    {
        public float* Data { get; } = data;

        public long RowStride { get; } = rowStride;

        public long ColumnStride { get; } = columnStride;

        public Operand Transpose() => new(Data, ColumnStride, RowStride);

        public Operand From(long row) => new(Data + (row * RowStride), RowStride, ColumnStride);
    }

    private readonly struct OneRow : IRows
    {
        public static int Count => 1;
    }

    private readonly struct FourRows : IRows
    {
        public static int Count => 4;
    }
}
