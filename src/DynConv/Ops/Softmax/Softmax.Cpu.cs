using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class Softmax
{
    private static void ForwardCpu(Tensor x, Tensor y)
    {
        var walk = RowWalk.OverRows(x, y);
        float* from = x.Float();
        float* to = y.Float();
        Workers.ForRange(walk.Rows, walk.RowsPerBlock, (start, end) => Simd.Run(new ForwardKernel(walk, start, end, from, to)));
    }

    private static void BackwardCpu(Tensor dy, Tensor y, Tensor dx, bool accumulate)
    {
        var walk = RowWalk.OverRows(dy, y, dx);
        float* upstream = dy.Float();
        float* result = y.Float();
        float* to = dx.Float();
        Workers.ForRange(walk.Rows, walk.RowsPerBlock, (start, end) =>
            Simd.Run(new BackwardKernel(walk, start, end, upstream, result, to, accumulate)));
    }

    private readonly struct ForwardKernel(RowWalk walk, long start, long end, float* x, float* y) : ISimdKernel
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = start; row < end; row++)
            {
                Row<TSimd, TVector>(x + walk.Offset(0, row), y + walk.Offset(1, row), walk.Length);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Row<TSimd, TVector>(float* x, float* y, long length)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float top = RowMath.Max<TSimd, TVector>(x, length);
            TVector tops = TSimd.Broadcast(top);
            TVector sums = TSimd.Zero;
            long i = 0;
            for (; i + TSimd.Width <= length; i += TSimd.Width)
            {
                TVector power = Simd.Exp<TSimd, TVector>(TSimd.Subtract(TSimd.Load(x + i), tops));
                TSimd.Store(y + i, power);
                sums = TSimd.Add(sums, power);
            }

            float sum = TSimd.Sum(sums);
            for (; i < length; i++)
            {
                y[i] = Simd.Exp<SimdScalar, float>(x[i] - top);
                sum += y[i];
            }

            Scale<TSimd, TVector>(y, 1 / sum, length);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Scale<TSimd, TVector>(float* y, float factor, long length)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long i = 0;
            for (; i + TSimd.Width <= length; i += TSimd.Width)
            {
                TSimd.Store(y + i, TSimd.Multiply(TSimd.Load(y + i), TSimd.Broadcast(factor)));
            }

            for (; i < length; i++)
            {
                y[i] *= factor;
            }
        }
    }

    // dx = y (dy - sum of dy y).
    private readonly struct BackwardKernel(
        RowWalk walk, long start, long end, float* dy, float* y, float* dx, bool accumulate) : ISimdKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = start; row < end; row++)
            {
                float* upstream = dy + walk.Offset(0, row);
                float* result = y + walk.Offset(1, row);
                float* to = dx + walk.Offset(2, row);
                float dot = RowMath.Dot<TSimd, TVector>(upstream, result, walk.Length);
                TVector dots = TSimd.Broadcast(dot);
                long i = 0;
                for (; i + TSimd.Width <= walk.Length; i += TSimd.Width)
                {
                    TVector gradient = TSimd.Multiply(TSimd.Load(result + i), TSimd.Subtract(TSimd.Load(upstream + i), dots));
                    ElementLoop.Write<TSimd, TVector>(to + i, gradient, accumulate);
                }

                for (; i < walk.Length; i++)
                {
                    ElementLoop.Write<SimdScalar, float>(to + i, result[i] * (upstream[i] - dot), accumulate);
                }
            }
        }
    }
}
