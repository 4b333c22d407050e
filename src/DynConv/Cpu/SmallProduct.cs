using System.Runtime.CompilerServices;

namespace DynConv.Cpu;

/// <summary>Products of matrices that fit the first-level cache, on the calling thread.</summary>
internal static unsafe class SmallProduct
{
    private const int Rows = 4;
    private const int Columns = 4;

    /// <summary><c>c = from + a b</c> with <c>a [m, k]</c>, <c>b [k, n]</c>, <c>from [m, n]</c> and <c>c [m, n]</c>.</summary>
    /// <remarks>
    /// Each element is one chain of multiply-adds in the order of k, whatever tile it falls into. The elements of a row
    /// of b, of from and of c lie side by side.
    /// </remarks>
    /// <param name="a">The left factor, of any strides.</param>
    /// <param name="b">The right factor.</param>
    /// <param name="from">What the sums start from, which may be c; the default is zeros.</param>
    /// <param name="c">The result.</param>
    /// <param name="m">Rows of the result.</param>
    /// <param name="n">Columns of the result.</param>
    /// <param name="k">What is summed over.</param>
    public static void Multiply<TSimd, TVector>(Operand a, Operand b, Operand from, Operand c, long m, long n, long k)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        // Sixteen sums fill the registers of AVX-512; eight those of narrower machines.
        long widest = TSimd.Width == 16 ? Columns : 2;
        long column = 0;
        for (long left = n / TSimd.Width; left > 0;)
        {
            long vectors = left >= widest ? widest : Math.Min(left, 2);
            MultiplyColumns<TSimd, TVector>(vectors, a, b.Column(column), from.Column(column), c.Column(column), m, k);
            column += vectors * TSimd.Width;
            left -= vectors;
        }

        for (; column < n; column++)
        {
            for (long row = 0; row < m; row++)
            {
                Tile1x1<SimdScalar, float>(
                    a.Row(row).Data, a.ColumnStride, b.Data + column, b.RowStride, from.Row(row).Column(column).Data, c.Row(row).Data + column, k);
            }
        }
    }

    /// <summary><c>c += a bᵀ</c> with <c>a [m, n]</c>, <c>b [k, n]</c> and <c>c [m, k]</c>, rows of all with neighbouring elements.</summary>
    /// <param name="a">The left factor.</param>
    /// <param name="b">The right factor.</param>
    /// <param name="c">What is added to.</param>
    /// <param name="m">Rows of the result.</param>
    /// <param name="k">Columns of the result.</param>
    /// <param name="n">What is summed over.</param>
    public static void AddDots<TSimd, TVector>(Operand a, Operand b, Operand c, long m, long k, long n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long whole = m / Rows * Rows;
        long tiled = k / Columns * Columns;
        for (long row = 0; row < whole; row += Rows)
        {
            for (long column = 0; column < tiled; column += Columns)
            {
                AddDots<TSimd, TVector>(
                    a.Row(row).Data, a.RowStride, b.Row(column).Data, b.RowStride, c.Row(row).Data + column, c.RowStride, n);
            }
        }

        for (long row = 0; row < m; row++)
        {
            for (long column = row < whole ? tiled : 0; column < k; column++)
            {
                c.Row(row).Data[column] += Dot<TSimd, TVector>(a.Row(row).Data, b.Row(column).Data, n);
            }
        }
    }

    /// <summary>1, 2 or 4 vectors of columns.</summary>
    private static void MultiplyColumns<TSimd, TVector>(long vectors, Operand a, Operand b, Operand from, Operand c, long m, long k)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        (long aRow, long aColumn, long bRow, long fromRow, long cRow) = (a.RowStride, a.ColumnStride, b.RowStride, from.RowStride, c.RowStride);
        long row = 0;
        for (; row + Rows <= m; row += Rows)
        {
            float* at = a.Row(row).Data;
            float* start = from.Row(row).Data;
            float* to = c.Row(row).Data;
            switch (vectors)
            {
                case 4: Tile4x4<TSimd, TVector>(at, aRow, aColumn, b.Data, bRow, start, fromRow, to, cRow, k); break;
                case 2: Tile4x2<TSimd, TVector>(at, aRow, aColumn, b.Data, bRow, start, fromRow, to, cRow, k); break;
                default: Tile4x1<TSimd, TVector>(at, aRow, aColumn, b.Data, bRow, start, fromRow, to, cRow, k); break;
            }
        }

        for (; row < m; row++)
        {
            for (long column = 0; column < vectors * TSimd.Width; column += TSimd.Width)
            {
                Tile1x1<TSimd, TVector>(
                    a.Row(row).Data, aColumn, b.Data + column, bRow, from.Row(row).Column(column).Data, c.Row(row).Data + column, k);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x4<TSimd, TVector>(
        float* a, long aRow, long aColumn, float* b, long bRow, float* from, long fromRow, float* c, long cRow, long k)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero, c03 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero, c13 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero, c23 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero, c33 = TSimd.Zero;
        if (from is not null)
        {
            Load4<TSimd, TVector>(from, out c00, out c01, out c02, out c03);
            Load4<TSimd, TVector>(from + fromRow, out c10, out c11, out c12, out c13);
            Load4<TSimd, TVector>(from + (2 * fromRow), out c20, out c21, out c22, out c23);
            Load4<TSimd, TVector>(from + (3 * fromRow), out c30, out c31, out c32, out c33);
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
        float* a, long aRow, long aColumn, float* b, long bRow, float* from, long fromRow, float* c, long cRow, long k)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int width = TSimd.Width;
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c10 = TSimd.Zero, c11 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c30 = TSimd.Zero, c31 = TSimd.Zero;
        if (from is not null)
        {
            (c00, c01) = (TSimd.Load(from), TSimd.Load(from + width));
            (c10, c11) = (TSimd.Load(from + fromRow), TSimd.Load(from + fromRow + width));
            (c20, c21) = (TSimd.Load(from + (2 * fromRow)), TSimd.Load(from + (2 * fromRow) + width));
            (c30, c31) = (TSimd.Load(from + (3 * fromRow)), TSimd.Load(from + (3 * fromRow) + width));
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
        float* a, long aRow, long aColumn, float* b, long bRow, float* from, long fromRow, float* c, long cRow, long k)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector c0 = from is null ? TSimd.Zero : TSimd.Load(from);
        TVector c1 = from is null ? TSimd.Zero : TSimd.Load(from + fromRow);
        TVector c2 = from is null ? TSimd.Zero : TSimd.Load(from + (2 * fromRow));
        TVector c3 = from is null ? TSimd.Zero : TSimd.Load(from + (3 * fromRow));
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
        float* a, long aColumn, float* b, long bRow, float* from, float* c, long k)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector sum = from is null ? TSimd.Zero : TSimd.Load(from);
        for (long i = 0; i < k; i++, a += aColumn, b += bRow)
        {
            sum = TSimd.MultiplyAdd(TSimd.Broadcast(*a), TSimd.Load(b), sum);
        }

        TSimd.Store(c, sum);
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
                for (int column = 0; column < Columns; column++)
                {
                    c[(row * cStride) + column] += a[(row * aStride) + j] * b[(column * bStride) + j];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddSums<TSimd, TVector>(float* to, TVector v0, TVector v1, TVector v2, TVector v3)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float* sums = stackalloc float[Columns];
        TSimd.StoreSums(sums, v0, v1, v2, v3);
        for (int i = 0; i < Columns; i++)
        {
            to[i] += sums[i];
        }
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

    /// <summary>A matrix somewhere in memory; the default is none.</summary>
    /// <param name="data">The first element.</param>
    /// <param name="rowStride">Elements from one row to the next.</param>
    /// <param name="columnStride">Elements from one column to the next.</param>
    public readonly struct Operand(float* data, long rowStride, long columnStride = 1)
    {
        public float* Data { get; } = data;

        public long RowStride { get; } = rowStride;

        public long ColumnStride { get; } = columnStride;

        public Operand Transpose() => new(Data, ColumnStride, RowStride);

        /// <summary>The matrix from a row on.</summary>
        public Operand Row(long row) => Data is null ? this : new(Data + (row * RowStride), RowStride, ColumnStride);

        /// <summary>The matrix from a column on.</summary>
        public Operand Column(long column) => Data is null ? this : new(Data + (column * ColumnStride), RowStride, ColumnStride);
    }
}
