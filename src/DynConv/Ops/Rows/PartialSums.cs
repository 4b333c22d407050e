using DynConv.Cpu;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Adds up what blocks of work have summed apart from one another, always in the same order.</summary>
internal static unsafe class PartialSums
{
    private const long Grain = 1 << 13;

    // At most this many partial sums of rows on the CPU: enough for many threads, cheap to add up.
    private const long MostRowSums = 64;

    private const int Columns = 32;

    private static readonly KernelTable<DType> Kernel = new(
        "partial_sums.cu", "partial_sums", type => [("TARGET", type.CudaName())], DType.Float32, DType.BFloat16);

    /// <summary>Adds to sums, one a column, what rows <c>start .. end - 1</c> contribute.</summary>
    public delegate void RowSum(long start, long end, float* sums);

    /// <summary>
    /// Sums over the rows of a walk, block by block, on the CPU: float32 <c>[P, Length]</c>, for <see cref="SumInto"/>.
    /// </summary>
    public static Tensor OfRows(RowWalk walk, RowSum sum)
    {
        long grain = Math.Max(walk.RowsPerBlock, (walk.Rows + MostRowSums - 1) / MostRowSums);
        Tensor partials = Tensor.Empty([(walk.Rows + grain - 1) / grain, walk.Length]);
        float* sums = partials.Float();
        Workers.ForRange(walk.Rows, grain, (start, end) =>
        {
            float* partial = sums + (start / grain * walk.Length);
            new Span<float>(partial, checked((int)walk.Length)).Clear();
            sum(start, end, partial);
        });
        return partials;
    }

    /// <summary>The sum over the first dimension.</summary>
    public static Tensor Sum(Tensor partials)
    {
        Tensor sum = Tensor.Empty(partials.Shape[1..], DType.Float32, partials.Device);
        SumInto(partials, sum, accumulate: false);
        return sum;
    }

    /// <summary>Puts the sum over the first dimension where a gradient belongs.</summary>
    /// <param name="partials"><c>[P, ...]</c>, float32, contiguous.</param>
    /// <param name="sum">As many elements as a partial sum, contiguous; float32, or on CUDA also bfloat16.</param>
    /// <param name="accumulate">Whether to add to what is there.</param>
    public static void SumInto(Tensor partials, Tensor sum, bool accumulate)
    {
        (long parts, long size) = (partials.Shape[0], sum.Count);
        if (size == 0)
        {
            return;
        }

        if (sum.Device.IsCuda)
        {
            Kernel[sum.Device, sum.DType].Launch(
                new CudaGrid((size + Columns - 1) / Columns, Columns * Columns), partials, sum, parts, size, accumulate ? 1 : 0);
            return;
        }

        float* from = partials.Float();
        float* to = sum.Float();
        Workers.ForRange(
            size, Grain, (start, end) => AddRows(to + start, from + start, size, parts, end - start, accumulate));
    }

    /// <summary>
    /// Puts the sum over the first dimension of <c>[P, B·T, C]</c> where a <c>[B, T, C]</c> gradient belongs, on the CPU.
    /// </summary>
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
