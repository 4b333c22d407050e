using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class RmsNormalization
{
    private static void ForwardCpu(Tensor x, Tensor weight, float epsilon, Tensor y, Tensor inverseRms)
    {
        var walk = RowWalk.OverRows(x, y);
        float* from = x.Float();
        float* w = weight.Float();
        float* to = y.Float();
        float* inverse = inverseRms.Float();
        Workers.ForRange(walk.Rows, walk.RowsPerBlock, (start, end) =>
            Simd.Run(new ForwardKernel(walk, start, end, from, w, epsilon, to, inverse)));
    }

    private static void BackwardCpu(
        Tensor dy, Tensor x, Tensor weight, Tensor inverseRms, Tensor? elsewhere, Tensor? dx, GradientRows dweight)
    {
        if (dx is not null)
        {
            BackwardInputCpu(dy, x, weight, inverseRms, elsewhere, dx);
        }

        if (dweight.Tensor is { } sum)
        {
            PartialSums.SumInto(WeightPartialsCpu(dy, x, inverseRms), sum, dweight.Accumulate);
        }
    }

    private static void BackwardInputCpu(
        Tensor dy, Tensor x, Tensor weight, Tensor inverseRms, Tensor? elsewhere, Tensor dx)
    {
        var walk = RowWalk.OverRows(dy, x, dx, elsewhere ?? dx);
        float* upstream = dy.Float();
        float* from = x.Float();
        float* w = weight.Float();
        float* inverse = inverseRms.Float();
        float* to = dx.Float();
        float* before = elsewhere is null ? null : elsewhere.Float();
        Workers.ForRange(walk.Rows, walk.RowsPerBlock, (start, end) =>
            Simd.Run(new InputKernel(walk, start, end, upstream, from, w, inverse, before, to)));
    }

    private static Tensor WeightPartialsCpu(Tensor dy, Tensor x, Tensor inverseRms)
    {
        var walk = RowWalk.OverRows(dy, x);
        float* upstream = dy.Float();
        float* from = x.Float();
        float* inverse = inverseRms.Float();
        return PartialSums.OfRows(
            walk, (start, end, sums) => Simd.Run(new WeightKernel(walk, start, end, upstream, from, inverse, sums)));
    }

    private readonly struct ForwardKernel(
        RowWalk walk,
        long start,
        long end,
        float* x,
        float* weight,
        float epsilon,
        float* y,
        float* inverseRms) : ISimdKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = start; row < end; row++)
            {
                float* from = x + walk.Offset(0, row);
                float meanSquare = RowMath.Dot<TSimd, TVector>(from, from, walk.Length) / walk.Length;
                float inverse = 1f / MathF.Sqrt(meanSquare + epsilon);
                inverseRms[row] = inverse;
                Scale<TSimd, TVector>(from, inverse, y + walk.Offset(1, row));
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Scale<TSimd, TVector>(float* from, float inverse, float* to)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector factor = TSimd.Broadcast(inverse);
            long i = 0;
            for (; i + TSimd.Width <= walk.Length; i += TSimd.Width)
            {
                TVector normalized = TSimd.Multiply(TSimd.Load(from + i), factor);
                TSimd.Store(to + i, TSimd.Multiply(normalized, TSimd.Load(weight + i)));
            }

            for (; i < walk.Length; i++)
            {
                to[i] = from[i] * inverse * weight[i];
            }
        }
    }

    /// <summary>
    /// With r the inverse RMS: <c>dx = r w dy - x r^3 / D * (sum of x w dy)</c>, and what comes from elsewhere, unless that is null.
    /// </summary>
    private readonly struct InputKernel(
        RowWalk walk,
        long start,
        long end,
        float* dy,
        float* x,
        float* weight,
        float* inverseRms,
        float* elsewhere,
        float* target) : ISimdKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = start; row < end; row++)
            {
                float* upstream = dy + walk.Offset(0, row);
                float* from = x + walk.Offset(1, row);
                float* to = target + walk.Offset(2, row);
                float* before = elsewhere is null ? null : elsewhere + walk.Offset(3, row);
                float inverse = inverseRms[row];
                float sum = RowMath.Dot<TSimd, TVector>(upstream, weight, from, walk.Length);

                // In this order no factor leaves float32's range before the others bring it back.
                float share = -(sum * inverse / walk.Length) * inverse * inverse;
                long i = 0;
                for (; i + TSimd.Width <= walk.Length; i += TSimd.Width)
                {
                    Element<TSimd, TVector>(upstream + i, from + i, weight + i, before is null ? null : before + i, to + i, inverse, share);
                }

                for (; i < walk.Length; i++)
                {
                    Element<SimdScalar, float>(upstream + i, from + i, weight + i, before is null ? null : before + i, to + i, inverse, share);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Element<TSimd, TVector>(
            float* dy, float* x, float* weight, float* before, float* to, float inverse, float share)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector weighted = TSimd.Multiply(TSimd.Load(dy), TSimd.Load(weight));
            TVector direct = TSimd.Multiply(weighted, TSimd.Broadcast(inverse));
            TVector dx = TSimd.MultiplyAdd(TSimd.Load(x), TSimd.Broadcast(share), direct);
            TSimd.Store(to, before is null ? dx : TSimd.Add(TSimd.Load(before), dx));
        }
    }

    /// <summary>Adds the sum over the rows of <c>dy x r</c>.</summary>
    private readonly struct WeightKernel(
        RowWalk walk, long start, long end, float* dy, float* x, float* inverseRms, float* sums) : ISimdKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = start; row < end; row++)
            {
                float* upstream = dy + walk.Offset(0, row);
                float* from = x + walk.Offset(1, row);
                float inverse = inverseRms[row];
                long i = 0;
                for (; i + TSimd.Width <= walk.Length; i += TSimd.Width)
                {
                    TVector normalized = TSimd.Multiply(TSimd.Load(from + i), TSimd.Broadcast(inverse));
                    TVector sum = TSimd.MultiplyAdd(TSimd.Load(upstream + i), normalized, TSimd.Load(sums + i));
                    TSimd.Store(sums + i, sum);
                }

                for (; i < walk.Length; i++)
                {
                    sums[i] = SimdScalar.MultiplyAdd(upstream[i], from[i] * inverse, sums[i]);
                }
            }
        }
    }
}
