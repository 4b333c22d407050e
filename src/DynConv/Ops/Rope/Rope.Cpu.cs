using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class Rope
{
    private static void RotateCpu(Turning turning, Tensor table, long position, Tensor? positions, bool backwards)
    {
        (Tensor x, Tensor y, bool accumulate) = turning;
        long half = table.Shape[2];
        var walk = RowWalk.OverRows(x, y);
        float* from = x.Float();
        float* to = y.Float();
        float* angles = table.Float() + (position * 2 * half);
        int* places = positions is null ? null : positions.Int();
        (long length, long heads) = (x.Shape[1], x.Shape[2]);
        float direction = backwards ? -1f : 1f;
        Workers.ForRange(walk.Rows, walk.RowsPerBlock, (start, end) =>
            Simd.Run(new Kernel(walk, start, end, from, to, angles, places, half, length, heads, direction, accumulate)));
    }

    private readonly struct Kernel(
        RowWalk walk,
        long start,
        long end,
        float* x,
        float* y,
        float* angles,
        int* positions,
        long half,
        long length,
        long heads,
        float direction,
        bool accumulate) : ISimdKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = start; row < end; row++)
            {
                float* from = x + walk.Offset(0, row);
                float* to = y + walk.Offset(1, row);
                long token = row / heads;
                long position = positions is null ? token % length : positions[token];
                float* cosines = angles + (position * 2 * half);
                long i = 0;
                for (; i + TSimd.Width <= half; i += TSimd.Width)
                {
                    Pair<TSimd, TVector>(from + i, cosines + i, to + i);
                }

                for (; i < half; i++)
                {
                    Pair<SimdScalar, float>(from + i, cosines + i, to + i);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Pair<TSimd, TVector>(float* from, float* cosines, float* to)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector cosine = TSimd.Load(cosines);
            TVector sine = TSimd.Multiply(TSimd.Load(cosines + half), TSimd.Broadcast(direction));
            TVector first = TSimd.Load(from);
            TVector second = TSimd.Load(from + half);
            TVector turnedFirst = TSimd.Subtract(TSimd.Multiply(first, cosine), TSimd.Multiply(second, sine));
            TVector turnedSecond = TSimd.MultiplyAdd(second, cosine, TSimd.Multiply(first, sine));
            ElementLoop.Write<TSimd, TVector>(to, turnedFirst, accumulate);
            ElementLoop.Write<TSimd, TVector>(to + half, turnedSecond, accumulate);
        }
    }
}
