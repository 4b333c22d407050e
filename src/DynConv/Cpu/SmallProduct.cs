using System.Runtime.CompilerServices;

namespace DynConv.Cpu;

/// <summary>Products of matrices that fit the first-level cache, on the calling thread.</summary>
internal static unsafe class SmallProduct
{
    private const int Rows = 4;

    /// <summary><c>c = a b</c>, or <c>c += a b</c>, with <c>a [m, k]</c>, <c>b [k, n]</c> and <c>c [m, n]</c>.</summary>
    /// <remarks>
    /// Each element is one chain of multiply-adds in the order of k, whatever tile it falls into. The elements of a row
    /// of b and of c lie side by side; n is a multiple of the vector width.
    /// </remarks>
    public static void Run<TSimd, TVector>(
        float* a,
        long aRow,
        long aColumn,
        float* b,
        long bRow,
        float* c,
        long cRow,
        long m,
        long n,
        long k,
        bool accumulate)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        // Sixteen sums fill the registers of AVX-512; eight those of narrower machines.
        long widest = TSimd.Width == 16 ? 4 : 2;
        for (long column = 0; column < n;)
        {
            long left = (n - column) / TSimd.Width;
            long vectors = left >= widest ? widest : Math.Min(left, 2);
            Columns<TSimd, TVector>(
                vectors, a, aRow, aColumn, b + column, bRow, c + column, cRow, m, k, accumulate);
            column += vectors * TSimd.Width;
        }
    }

    /// <summary>1, 2 or 4 vectors of columns.</summary>
    private static void Columns<TSimd, TVector>(
        long vectors,
        float* a,
        long aRow,
        long aColumn,
        float* b,
        long bRow,
        float* c,
        long cRow,
        long m,
        long k,
        bool accumulate)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long row = 0;
        for (; row + Rows <= m; row += Rows, a += Rows * aRow, c += Rows * cRow)
        {
            switch (vectors)
            {
                case 4: Tile4x4<TSimd, TVector>(a, aRow, aColumn, b, bRow, c, cRow, k, accumulate); break;
                case 2: Tile4x2<TSimd, TVector>(a, aRow, aColumn, b, bRow, c, cRow, k, accumulate); break;
                default: Tile4x1<TSimd, TVector>(a, aRow, aColumn, b, bRow, c, cRow, k, accumulate); break;
            }
        }

        for (; row < m; row++, a += aRow, c += cRow)
        {
            for (long at = 0; at < vectors * TSimd.Width; at += TSimd.Width)
            {
                Tile1x1<TSimd, TVector>(a, aColumn, b + at, bRow, c + at, k, accumulate);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x4<TSimd, TVector>(
        float* a, long aRow, long aColumn, float* b, long bRow, float* c, long cRow, long k, bool accumulate)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero, c03 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero, c13 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero, c23 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero, c33 = TSimd.Zero;
        if (accumulate)
        {
            Load4<TSimd, TVector>(c, out c00, out c01, out c02, out c03);
            Load4<TSimd, TVector>(c + cRow, out c10, out c11, out c12, out c13);
            Load4<TSimd, TVector>(c + (2 * cRow), out c20, out c21, out c22, out c23);
            Load4<TSimd, TVector>(c + (3 * cRow), out c30, out c31, out c32, out c33);
        }

        float* a1 = a + aRow;
        float* a2 = a + (2 * aRow);
        float* a3 = a + (3 * aRow);
        for (long i = 0; i < k; i++)
        {
            Load4<TSimd, TVector>(b, out TVector b0, out TVector b1, out TVector b2, out TVector b3);
            TVector x = TSimd.Broadcast(*a);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            c02 = TSimd.MultiplyAdd(x, b2, c02);
            c03 = TSimd.MultiplyAdd(x, b3, c03);
            x = TSimd.Broadcast(*a1);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            c12 = TSimd.MultiplyAdd(x, b2, c12);
            c13 = TSimd.MultiplyAdd(x, b3, c13);
            x = TSimd.Broadcast(*a2);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            c22 = TSimd.MultiplyAdd(x, b2, c22);
            c23 = TSimd.MultiplyAdd(x, b3, c23);
            x = TSimd.Broadcast(*a3);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            c32 = TSimd.MultiplyAdd(x, b2, c32);
            c33 = TSimd.MultiplyAdd(x, b3, c33);
            a += aColumn;
            a1 += aColumn;
            a2 += aColumn;
            a3 += aColumn;
            b += bRow;
        }

        Store4<TSimd, TVector>(c, c00, c01, c02, c03);
        Store4<TSimd, TVector>(c + cRow, c10, c11, c12, c13);
        Store4<TSimd, TVector>(c + (2 * cRow), c20, c21, c22, c23);
        Store4<TSimd, TVector>(c + (3 * cRow), c30, c31, c32, c33);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x2<TSimd, TVector>(
        float* a, long aRow, long aColumn, float* b, long bRow, float* c, long cRow, long k, bool accumulate)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int width = TSimd.Width;
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c10 = TSimd.Zero, c11 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c30 = TSimd.Zero, c31 = TSimd.Zero;
        if (accumulate)
        {
            (c00, c01) = (TSimd.Load(c), TSimd.Load(c + width));
            (c10, c11) = (TSimd.Load(c + cRow), TSimd.Load(c + cRow + width));
            (c20, c21) = (TSimd.Load(c + (2 * cRow)), TSimd.Load(c + (2 * cRow) + width));
            (c30, c31) = (TSimd.Load(c + (3 * cRow)), TSimd.Load(c + (3 * cRow) + width));
        }

        for (long i = 0; i < k; i++)
        {
            TVector b0 = TSimd.Load(b);
            TVector b1 = TSimd.Load(b + width);
            TVector x = TSimd.Broadcast(*a);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            x = TSimd.Broadcast(a[aRow]);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            x = TSimd.Broadcast(a[2 * aRow]);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            x = TSimd.Broadcast(a[3 * aRow]);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            a += aColumn;
            b += bRow;
        }

        Store2<TSimd, TVector>(c, c00, c01);
        Store2<TSimd, TVector>(c + cRow, c10, c11);
        Store2<TSimd, TVector>(c + (2 * cRow), c20, c21);
        Store2<TSimd, TVector>(c + (3 * cRow), c30, c31);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x1<TSimd, TVector>(
        float* a, long aRow, long aColumn, float* b, long bRow, float* c, long cRow, long k, bool accumulate)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector c0 = accumulate ? TSimd.Load(c) : TSimd.Zero;
        TVector c1 = accumulate ? TSimd.Load(c + cRow) : TSimd.Zero;
        TVector c2 = accumulate ? TSimd.Load(c + (2 * cRow)) : TSimd.Zero;
        TVector c3 = accumulate ? TSimd.Load(c + (3 * cRow)) : TSimd.Zero;
        for (long i = 0; i < k; i++, a += aColumn, b += bRow)
        {
            TVector b0 = TSimd.Load(b);
            c0 = TSimd.MultiplyAdd(TSimd.Broadcast(*a), b0, c0);
            c1 = TSimd.MultiplyAdd(TSimd.Broadcast(a[aRow]), b0, c1);
            c2 = TSimd.MultiplyAdd(TSimd.Broadcast(a[2 * aRow]), b0, c2);
            c3 = TSimd.MultiplyAdd(TSimd.Broadcast(a[3 * aRow]), b0, c3);
        }

        TSimd.Store(c, c0);
        TSimd.Store(c + cRow, c1);
        TSimd.Store(c + (2 * cRow), c2);
        TSimd.Store(c + (3 * cRow), c3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x1<TSimd, TVector>(
        float* a, long aColumn, float* b, long bRow, float* c, long k, bool accumulate)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector sum = accumulate ? TSimd.Load(c) : TSimd.Zero;
        for (long i = 0; i < k; i++, a += aColumn, b += bRow)
        {
            sum = TSimd.MultiplyAdd(TSimd.Broadcast(*a), TSimd.Load(b), sum);
        }

        TSimd.Store(c, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load4<TSimd, TVector>(float* from, out TVector v0, out TVector v1, out TVector v2, out TVector v3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        v0 = TSimd.Load(from);
        v1 = TSimd.Load(from + TSimd.Width);
        v2 = TSimd.Load(from + (2 * TSimd.Width));
        v3 = TSimd.Load(from + (3 * TSimd.Width));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store4<TSimd, TVector>(float* to, TVector v0, TVector v1, TVector v2, TVector v3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        Store2<TSimd, TVector>(to, v0, v1);
        Store2<TSimd, TVector>(to + (2 * TSimd.Width), v2, v3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store2<TSimd, TVector>(float* to, TVector v0, TVector v1)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TSimd.Store(to, v0);
        TSimd.Store(to + TSimd.Width, v1);
    }
}
