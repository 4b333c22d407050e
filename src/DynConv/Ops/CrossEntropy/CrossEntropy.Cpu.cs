using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class CrossEntropy
{
    // Lanes sum this many exponentials in float32 before they join the float64 sum.
    private const long SumChunk = 1024;

    private static void CheckTargetsCpu(string op, Tensor targets, int ignoreIndex, long classes)
    {
        int* target = targets.Int();
        for (long n = 0; n < targets.Count; n++)
        {
            if (target[n] != ignoreIndex && (target[n] < 0 || target[n] >= classes))
            {
                throw new TensorException(op, $"target {target[n]} of row {n} lies outside the {classes} classes.", targets);
            }
        }
    }

    /// <summary>
    /// Writes the loss of each row and, where wanted, what its gradient needs: the largest logit, and 1 over the sum
    /// of exponentials relative to it. The two stay apart because their logarithms' sum would lose the small digits of
    /// large logits.
    /// </summary>
    private static void RowsCpu(Tensor logits, Tensor targets, int ignoreIndex, Tensor rows, Tensor? statistics)
    {
        (long n, long v) = (logits.Shape[0], logits.Shape[1]);
        float* from = logits.Float();
        float* to = rows.Float();
        float* saved = statistics is null ? null : statistics.Float();
        int* target = targets.Int();
        long stride = logits.Strides[0];
        Workers.ForRange(n, RowsPerBlock(v), (start, end) =>
            Simd.Run(new RowsKernel(from, stride, v, target, ignoreIndex, start, end, to, saved)));
    }

    private static void RowsAndGradientCpu(Tensor logits, Tensor targets, int ignoreIndex, Tensor inverseCount, Tensor rows)
    {
        (long n, long v) = (logits.Shape[0], logits.Shape[1]);
        float scale = *inverseCount.Float();
        float* from = logits.Float();
        float* to = rows.Float();
        int* target = targets.Int();
        long stride = logits.Strides[0];
        Workers.ForRange(n, RowsPerBlock(v), (start, end) =>
            Simd.Run(new RowsAndGradientKernel(from, stride, v, target, ignoreIndex, start, end, scale, to)));
    }

    private static void InverseCountCpu(Tensor targets, int ignoreIndex, Tensor inverseCount)
    {
        int ignored = new ReadOnlySpan<int>(targets.Int(), checked((int)targets.Count)).Count(ignoreIndex);
        *inverseCount.Float() = (float)(1 / (double)Math.Max(1, targets.Count - ignored));
    }

    private static void MeanCpu(Tensor rows, Tensor targets, int ignoreIndex, Tensor loss, Tensor inverseCount)
    {
        float* from = rows.Float();
        int* target = targets.Int();
        double sum = 0;
        long count = 0;
        for (long n = 0; n < rows.Count; n++)
        {
            if (target[n] != ignoreIndex)
            {
                sum += from[n];
                count++;
            }
        }

        double divisor = Math.Max(1, count);
        *loss.Float() = (float)(sum / divisor);
        *inverseCount.Float() = (float)(1 / divisor);
    }

    private static void BackwardCpu(
        Tensor upstream,
        Tensor inverseCount,
        Tensor logits,
        Tensor targets,
        Tensor statistics,
        int ignoreIndex,
        Tensor target,
        bool accumulate)
    {
        (long n, long v) = (logits.Shape[0], logits.Shape[1]);
        float scale = *upstream.Float() * *inverseCount.Float();
        float* from = logits.Float();
        float* saved = statistics.Float();
        float* to = target.Float();
        int* wanted = targets.Int();
        long fromStride = logits.Strides[0];
        long toStride = target.Strides[0];
        Workers.ForRange(n, RowsPerBlock(v), (start, end) => Simd.Run(new GradientKernel(
            from, fromStride, v, wanted, ignoreIndex, start, end, saved, scale, to, toStride, accumulate)));
    }

    private static long RowsPerBlock(long classes) => Math.Max(1, RowWalk.BlockElements / Math.Max(1, classes));

    /// <summary>The sum of <c>exp(row - max)</c>; the summands go to <paramref name="kept"/> where there is such a place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumOfExponentials<TSimd, TVector>(float* row, float max, long classes, float* kept)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        double sum = 0;
        TVector shift = TSimd.Broadcast(max);
        for (long first = 0; first < classes; first += SumChunk)
        {
            long last = Math.Min(classes, first + SumChunk);
            long i = first;
            TVector lanes = TSimd.Zero;
            for (; i + TSimd.Width <= last; i += TSimd.Width)
            {
                TVector exponential = Simd.Exp<TSimd, TVector>(TSimd.Subtract(TSimd.Load(row + i), shift));
                lanes = TSimd.Add(lanes, exponential);
                if (kept is not null)
                {
                    TSimd.Store(kept + i, exponential);
                }
            }

            sum += TSimd.Sum(lanes);
            for (; i < last; i++)
            {
                float exponential = Simd.Exp<SimdScalar, float>(row[i] - max);
                sum += exponential;
                if (kept is not null)
                {
                    kept[i] = exponential;
                }
            }
        }

        return sum;
    }

    private readonly struct RowsKernel(
        float* logits,
        long stride,
        long classes,
        int* targets,
        int ignoreIndex,
        long start,
        long end,
        float* rows,
        float* statistics) : ISimdKernel
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long n = start; n < end; n++)
            {
                if (targets[n] == ignoreIndex)
                {
                    rows[n] = 0;
                    continue;
                }

                float* row = logits + (n * stride);
                float max = RowMath.Max<TSimd, TVector>(row, classes);
                double sum = SumOfExponentials<TSimd, TVector>(row, max, classes, null);
                rows[n] = (float)(Math.Log(sum) + ((double)max - row[targets[n]]));
                if (statistics is not null)
                {
                    statistics[2 * n] = max;
                    statistics[(2 * n) + 1] = (float)(1 / sum);
                }
            }
        }
    }

    /// <summary>
    /// Writes the loss of each row and then, in place of its logits, <c>scale * (softmax - onehot)</c>, and zero in ignored rows.
    /// </summary>
    private readonly struct RowsAndGradientKernel(
        float* logits,
        long stride,
        long classes,
        int* targets,
        int ignoreIndex,
        long start,
        long end,
        float scale,
        float* rows) : ISimdKernel
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long n = start; n < end; n++)
            {
                float* row = logits + (n * stride);
                if (targets[n] == ignoreIndex)
                {
                    rows[n] = 0;
                    new Span<float>(row, checked((int)classes)).Clear();
                    continue;
                }

                float wanted = row[targets[n]];
                float max = RowMath.Max<TSimd, TVector>(row, classes);
                double sum = SumOfExponentials<TSimd, TVector>(row, max, classes, row);
                rows[n] = (float)(Math.Log(sum) + ((double)max - wanted));
                RowMath.Scale<TSimd, TVector>(row, scale * (float)(1 / sum), classes);
                row[targets[n]] -= scale;
            }
        }
    }

    /// <summary><c>scale * (softmax - onehot)</c>, and zero in ignored rows.</summary>
    private readonly struct GradientKernel(
        float* logits,
        long stride,
        long classes,
        int* targets,
        int ignoreIndex,
        long start,
        long end,
        float* statistics,
        float scale,
        float* gradient,
        long gradientStride,
        bool accumulate) : ISimdKernel
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long n = start; n < end; n++)
            {
                float* to = gradient + (n * gradientStride);
                if (targets[n] != ignoreIndex)
                {
                    float factor = scale * statistics[(2 * n) + 1];
                    Softmax<TSimd, TVector>(logits + (n * stride), statistics[2 * n], factor, to);
                    to[targets[n]] -= scale;
                }
                else if (!accumulate)
                {
                    new Span<float>(to, checked((int)classes)).Clear();
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Softmax<TSimd, TVector>(float* row, float max, float factor, float* to)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long i = 0;
            for (; i + TSimd.Width <= classes; i += TSimd.Width)
            {
                Element<TSimd, TVector>(row + i, max, factor, to + i);
            }

            for (; i < classes; i++)
            {
                Element<SimdScalar, float>(row + i, max, factor, to + i);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Element<TSimd, TVector>(float* logit, float max, float factor, float* to)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector exponential = Simd.Exp<TSimd, TVector>(TSimd.Subtract(TSimd.Load(logit), TSimd.Broadcast(max)));
            ElementLoop.Write<TSimd, TVector>(to, TSimd.Multiply(exponential, TSimd.Broadcast(factor)), accumulate);
        }
    }
}
