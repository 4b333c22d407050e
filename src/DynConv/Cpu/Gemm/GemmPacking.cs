using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace DynConv.Cpu;

/// <summary>
/// Copies a factor into panels: all the values that one step of the depth needs lie side by side, in the order in which
/// the kernel reads them. A panel's lanes are rows of A or columns of B; lanes that the factor does not have are zero.
/// </summary>
internal static unsafe class GemmPacking
{
    private const int Block = 4;

    /// <summary>Packs lanes that follow one another in memory: rows of a transposed A, columns of a plain B.</summary>
    /// <param name="source">First lane at the first depth.</param>
    /// <param name="stride">Elements from one depth to the next.</param>
    /// <param name="lanes">Lanes that there are.</param>
    /// <param name="depth">How deep the panel is.</param>
    /// <param name="panel">Receives <paramref name="width"/> values for each depth.</param>
    /// <param name="width">At least <paramref name="lanes"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackContiguousLanes(float* source, long stride, int lanes, long depth, float* panel, int width)
    {
        for (long p = 0; p < depth; p++)
        {
            int lane = 0;
            for (; lane + Block <= lanes; lane += Block)
            {
                Vector128.Store(Vector128.Load(source + lane), panel + lane);
            }

            for (; lane < lanes; lane++)
            {
                panel[lane] = source[lane];
            }

            for (; lane < width; lane++)
            {
                panel[lane] = 0;
            }

            source += stride;
            panel += width;
        }
    }

    /// <summary>Packs lanes that each lie in one piece: rows of a plain A, columns of a transposed B.</summary>
    /// <param name="source">First lane at the first depth.</param>
    /// <param name="stride">Elements from one lane to the next.</param>
    /// <param name="lanes">Lanes that there are.</param>
    /// <param name="depth">How deep the panel is.</param>
    /// <param name="panel">Receives <paramref name="width"/> values for each depth.</param>
    /// <param name="width">At least <paramref name="lanes"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackContiguousDepth(float* source, long stride, int lanes, long depth, float* panel, int width)
    {
        if (lanes < width)
        {
            NativeMemory.Clear(panel, (nuint)(depth * width * sizeof(float)));
        }

        int lane = 0;
        for (; lane + Block <= lanes; lane += Block)
        {
            PackFourLanes(source + (lane * stride), stride, depth, panel + lane, width);
        }

        for (; lane < lanes; lane++)
        {
            PackLane(source + (lane * stride), 0, depth, panel + lane, width);
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
