using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>Adds up what blocks of work have summed apart from one another, always in the same order.</summary>
internal static unsafe class PartialSums
{
    private const long Grain = 1 << 13;

    /// <summary>The sum over the first dimension.</summary>
    public static Tensor Sum(Tensor partials)
    {
        Tensor sum = Tensor.Empty(partials.Shape[1..], partials.DType, partials.Device);
        float* from = partials.Float();
        float* to = sum.Float();
        long parts = partials.Shape[0];
        long size = sum.Count;
        Workers.ForRange(size, Grain, (start, end) => AddRows(to + start, from + start, size, parts, end - start, false));
        return sum;
    }

    /// <summary>Puts the sum over the first dimension of <c>[P, B·T, C]</c> where a <c>[B, T, C]</c> gradient belongs.</summary>
    public static void Store(Tensor partials, GradientRows gradient)
    {
        if (gradient.Tensor is not { Count: > 0 } tensor)
        {
            return;
        }

        var rows = new TokenRows(tensor);
        float* from = partials.Float();
        (long parts, long tokens, long channels) = (partials.Shape[0], partials.Shape[1], partials.Shape[2]);
        bool accumulate = gradient.Accumulate;
        Workers.ForRange(tokens, Math.Max(1, Grain / channels), (start, end) =>
        {
            for (long token = start; token < end; token++)
            {
                AddRows(rows[token], from + (token * channels), tokens * channels, parts, channels, accumulate);
            }
        });
    }

    private static void AddRows(float* to, float* from, long stride, long parts, long count, bool accumulate)
    {
        if (!accumulate)
        {
            new Span<float>(to, checked((int)count)).Clear();
        }

        Simd.Run(new AddKernel(to, from, stride, parts, count));
    }

    private readonly struct AddKernel(float* to, float* from, long stride, long parts, long count) : ISimdKernel
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => ConvolutionRows.AddRows<TSimd, TVector>(to, from, stride, parts, count);
    }
}
