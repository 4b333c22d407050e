using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;

namespace DynConv.Cpu;

/// <summary>
/// The innermost loop of a matrix product: a tile of C, <see cref="Rows"/> high and <see cref="Columns"/> wide, is held
/// in registers while a panel of A and a panel of B run past it.
/// </summary>
internal static unsafe class GemmKernel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>
    /// Two vectors for each row, two for B and one for A have to fit into the registers: 32 of them with AVX-512 and on
    /// Arm, 16 otherwise.
    /// </summary>
    public static int Rows => TSimd.Width == 16 || AdvSimd.Arm64.IsSupported ? 2 * HalfRows : HalfRows;

    /// <summary>Rows of the kernel that a low last tile uses.</summary>
    public const int HalfRows = 6;

    public static int Columns => 2 * TSimd.Width;

    /// <summary>
    /// <c>C = A B</c> or <c>C += A B</c> for one tile, <paramref name="rows"/> high: <see cref="Rows"/> or
    /// <see cref="HalfRows"/>. <paramref name="a"/> has <see cref="Rows"/> values for each step of the depth; <paramref name="b"/> has <see cref="Columns"/> of them,
    /// <paramref name="bStride"/> apart.
    /// </summary>
    public static void Run(
        int rows, long depth, float* a, float* b, long bStride, float* c, long cStride, bool accumulate)
    {
        if (rows == HalfRows)
        {
            SixRows(depth, a, b, bStride, c, cStride, accumulate);
        }
        else
        {
            TwelveRows(depth, a, b, bStride, c, cStride, accumulate);
        }
    }

    // The accumulators are locals, one by one, because that is what keeps them in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwelveRows(
        long depth, float* a, float* b, long bStride, float* c, long cStride, bool accumulate)
    {
        Pair r0 = Pair.Zero(), r1 = Pair.Zero(), r2 = Pair.Zero(), r3 = Pair.Zero(), r4 = Pair.Zero(), r5 = Pair.Zero();
        Pair r6 = Pair.Zero(), r7 = Pair.Zero(), r8 = Pair.Zero(), r9 = Pair.Zero(), r10 = Pair.Zero(), r11 = Pair.Zero();
        for (; depth > 0; depth--)
        {
            TVector low = TSimd.Load(b);
            TVector high = TSimd.Load(b + TSimd.Width);
            r0 = r0.Add(a[0], low, high);
            r1 = r1.Add(a[1], low, high);
            r2 = r2.Add(a[2], low, high);
            r3 = r3.Add(a[3], low, high);
            r4 = r4.Add(a[4], low, high);
            r5 = r5.Add(a[5], low, high);
            r6 = r6.Add(a[6], low, high);
            r7 = r7.Add(a[7], low, high);
            r8 = r8.Add(a[8], low, high);
            r9 = r9.Add(a[9], low, high);
            r10 = r10.Add(a[10], low, high);
            r11 = r11.Add(a[11], low, high);
            a += Rows;
            b += bStride;
        }

        r0.Store(c, accumulate);
        r1.Store(c + cStride, accumulate);
        r2.Store(c + (2 * cStride), accumulate);
        r3.Store(c + (3 * cStride), accumulate);
        r4.Store(c + (4 * cStride), accumulate);
        r5.Store(c + (5 * cStride), accumulate);
        r6.Store(c + (6 * cStride), accumulate);
        r7.Store(c + (7 * cStride), accumulate);
        r8.Store(c + (8 * cStride), accumulate);
        r9.Store(c + (9 * cStride), accumulate);
        r10.Store(c + (10 * cStride), accumulate);
        r11.Store(c + (11 * cStride), accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SixRows(
        long depth, float* a, float* b, long bStride, float* c, long cStride, bool accumulate)
    {
        Pair r0 = Pair.Zero(), r1 = Pair.Zero(), r2 = Pair.Zero(), r3 = Pair.Zero(), r4 = Pair.Zero(), r5 = Pair.Zero();
        for (; depth > 0; depth--)
        {
            TVector low = TSimd.Load(b);
            TVector high = TSimd.Load(b + TSimd.Width);
            r0 = r0.Add(a[0], low, high);
            r1 = r1.Add(a[1], low, high);
            r2 = r2.Add(a[2], low, high);
            r3 = r3.Add(a[3], low, high);
            r4 = r4.Add(a[4], low, high);
            r5 = r5.Add(a[5], low, high);
            a += Rows;
            b += bStride;
        }

        r0.Store(c, accumulate);
        r1.Store(c + cStride, accumulate);
        r2.Store(c + (2 * cStride), accumulate);
        r3.Store(c + (3 * cStride), accumulate);
        r4.Store(c + (4 * cStride), accumulate);
        r5.Store(c + (5 * cStride), accumulate);
    }

    /// <summary>One row of the tile.</summary>
    private readonly struct Pair(TVector low, TVector high)
    {
        private readonly TVector _low = low;
        private readonly TVector _high = high;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Pair Zero() => new(TSimd.Zero, TSimd.Zero);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Pair Add(float a, TVector low, TVector high)
        {
            TVector factor = TSimd.Broadcast(a);
            return new Pair(TSimd.MultiplyAdd(factor, low, _low), TSimd.MultiplyAdd(factor, high, _high));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Store(float* c, bool accumulate)
        {
            if (accumulate)
            {
                TSimd.Store(c, TSimd.Add(TSimd.Load(c), _low));
                TSimd.Store(c + TSimd.Width, TSimd.Add(TSimd.Load(c + TSimd.Width), _high));
            }
            else
            {
                TSimd.Store(c, _low);
                TSimd.Store(c + TSimd.Width, _high);
            }
        }
    }
}
