using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace DynConv.Cpu;

/// <summary>
/// Copies a factor into panels, in the order in which the kernel reads them: a panel holds some lanes, rows of A or
/// columns of B, and for each step of the depth their values side by side. Lanes that the factor lacks are zero.
/// </summary>
internal static unsafe class GemmPacking
{
    private const int Block = 4;

    // Rows that lie pages apart are too short for the processor to see a pattern in time, so it is told this many ahead.
    private const long PrefetchDistance = 12;
    private const long CacheLine = 16;

    /// <summary>
    /// Packs a panel after the other from lanes that follow one another in memory: rows of a transposed A, columns of a
    /// plain B. All panels advance together, so that memory is read in long stretches.
    /// </summary>
    /// <param name="source">First lane at the first depth.</param>
    /// <param name="stride">Elements from one depth to the next.</param>
    /// <param name="lanes">Lanes that there are.</param>
    /// <param name="depth">How deep to pack.</param>
    /// <param name="packed">Receives <paramref name="width"/> values for each panel and depth.</param>
    /// <param name="panelStride">Elements from one panel to the next.</param>
    /// <param name="width">Lanes of a panel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackContiguousLanes<TSimd, TVector>(
        float* source, long stride, long lanes, long depth, float* packed, long panelStride, int width)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (long p = 0; p < depth; p++)
        {
            float* panel = packed;
            Prefetch(source + (PrefetchDistance * stride), lanes);
            long lane = 0;
            for (; lane + width <= lanes; lane += width)
            {
                Copy<TSimd, TVector>(source + lane, panel, width);
                panel += panelStride;
            }

            if (lane < lanes)
            {
                int rest = (int)(lanes - lane);
                Copy<TSimd, TVector>(source + lane, panel, rest);
                new Span<float>(panel + rest, width - rest).Clear();
            }

            source += stride;
            packed += width;
        }
    }

    /// <summary>
    /// Packs a panel after the other from lanes that each lie in one piece: rows of a plain A, columns of a transposed B.
    /// </summary>
    /// <param name="source">First lane at the first depth.</param>
    /// <param name="stride">Elements from one lane to the next.</param>
    /// <param name="lanes">Lanes that there are.</param>
    /// <param name="depth">How deep to pack.</param>
    /// <param name="packed">Receives <paramref name="width"/> values for each panel and depth.</param>
    /// <param name="panelStride">Elements from one panel to the next.</param>
    /// <param name="width">Lanes of a panel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackContiguousDepth(
        float* source, long stride, long lanes, long depth, float* packed, long panelStride, int width)
    {
        for (; lanes > 0; lanes -= width)
        {
            int present = (int)Math.Min(width, lanes);
            if (present < width)
            {
                NativeMemory.Clear(packed, (nuint)(depth * width * sizeof(float)));
            }

            int lane = 0;
            for (; lane + Block <= present; lane += Block)
            {
                PackFourLanes(source + (lane * stride), stride, depth, packed + lane, width);
            }

            for (; lane < present; lane++)
            {
                PackLane(source + (lane * stride), 0, depth, packed + lane, width);
            }

            source += width * stride;
            packed += panelStride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackFourLanes(float* source, long stride, long depth, float* panel, int width)
    {
        long p = 0;
        for (; p + Block <= depth; p += Block)
        {
            Vector128<float> a = Vector128.Load(source + p);
            Vector128<float> b = Vector128.Load(source + stride + p);
            Vector128<float> c = Vector128.Load(source + (2 * stride) + p);
            Vector128<float> d = Vector128.Load(source + (3 * stride) + p);
            Vector128<float> acLow = InterleaveLow(a, c);
            Vector128<float> acHigh = InterleaveHigh(a, c);
            Vector128<float> bdLow = InterleaveLow(b, d);
            Vector128<float> bdHigh = InterleaveHigh(b, d);
            float* to = panel + (p * width);
            InterleaveLow(acLow, bdLow).Store(to);
            InterleaveHigh(acLow, bdLow).Store(to + width);
            InterleaveLow(acHigh, bdHigh).Store(to + (2 * width));
            InterleaveHigh(acHigh, bdHigh).Store(to + (3 * width));
        }

        for (int lane = 0; lane < Block; lane++)
        {
            PackLane(source + (lane * stride), p, depth, panel + lane, width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackLane(float* source, long start, long depth, float* panel, int width)
    {
        for (long p = start; p < depth; p++)
        {
            panel[p * width] = source[p];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* from, long count)
    {
        for (long i = 0; i < count && Sse.IsSupported; i += CacheLine)
        {
            Sse.Prefetch0(from + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy<TSimd, TVector>(float* from, float* to, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
        {
            TSimd.Store(to + i, TSimd.Load(from + i));
        }

        for (; i + Block <= count; i += Block)
        {
            Vector128.Store(Vector128.Load(from + i), to + i);
        }

        for (; i < count; i++)
        {
            to[i] = from[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> InterleaveLow(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackLow(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : Vector128.Create(a[0], b[0], a[1], b[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> InterleaveHigh(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.UnpackHigh(a, b)
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : Vector128.Create(a[2], b[2], a[3], b[3]);
}
