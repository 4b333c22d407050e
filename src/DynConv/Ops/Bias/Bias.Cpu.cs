using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class Bias
{
    private static Tensor PartialsCpu(Tensor dy)
    {
        var walk = RowWalk.OverRows(dy);
        float* upstream = dy.Float();
        return PartialSums.OfRows(
            walk, (start, end, sums) => Simd.Run(new SumKernel(walk, start, end, upstream, sums)));
    }

    private readonly struct SumKernel(RowWalk walk, long start, long end, float* dy, float* sums) : ISimdKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = start; row < end; row++)
            {
                float* upstream = dy + walk.Offset(0, row);
                long i = 0;
                for (; i + TSimd.Width <= walk.Length; i += TSimd.Width)
                {
                    TSimd.Store(sums + i, TSimd.Add(TSimd.Load(sums + i), TSimd.Load(upstream + i)));
                }

                for (; i < walk.Length; i++)
                {
                    sums[i] += upstream[i];
                }
            }
        }
    }
}
