using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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

    private const int Quad = 4;
    private const int RowThreads = 256;

    private static readonly KernelTable<DType> Kernel = new(
        "partial_sums.cu", "partial_sums", type => [("TARGET", type.CudaName()), ("QUAD", 1)], DType.Float32, DType.BFloat16);

    private static readonly KernelTable<int> RowsKernel = new(
        "partial_sums.cu", "partial_sums_of_rows", quad => [("TARGET", DType.Float32.CudaName()), ("QUAD", quad)], 1, Quad);

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

    /// <summary>The same on a card for up to three gradients at once; the default of <see cref="PartialRows"/> is none.</summary>
    public static void StoreRows(Device device, PartialRows first, PartialRows second, PartialRows third)
    {
        int quad = (first.Width | second.Width | third.Width) % Quad == 0 ? Quad : 1;
        long quads = (first.Elements + second.Elements + third.Elements) / quad;
        if (quads > 0)
        {
            RowsArguments arguments = new() { First = first, Second = second, Third = third };
            RowsKernel[device, quad].Launch(CudaGrid.Covering(quads, RowThreads), KernelArgument.Of(in arguments));
        }
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
            where TVector : struct => Add<TSimd, TVector>(to, from, stride, parts, count);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Add<TSimd, TVector>(float* to, float* from, long stride, long parts, long count)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long c = 0;
            for (; c + TSimd.Width <= count; c += TSimd.Width)
            {
                TVector sum = TSimd.Load(to + c);
                float* at = from + c;
                for (long i = 0; i < parts; i++, at += stride)
                {
                    sum = TSimd.Add(sum, TSimd.Load(at));
                }

                TSimd.Store(to + c, sum);
            }

            if (c < count)
            {
                Add<SimdScalar, float>(to + c, from + c, stride, parts, count - c);
            }
        }
    }

    /// <summary><c>PartialRowSums</c> of partial_sums.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("partial_sums.cu", "PartialRowSums")]
    private struct RowsArguments
    {
        [CudaField("jobs[0]")]
        public PartialRows First;

        [CudaField("jobs[1]")]
        public PartialRows Second;

        [CudaField("jobs[2]")]
        public PartialRows Third;
    }
}

/// <summary><c>PartialRows</c> of partial_sums.cu: parts of a gradient and where their sum goes. The default is nothing to do.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("partial_sums.cu", "PartialRows")]
internal readonly struct PartialRows
{
    private readonly nint _partials;
    private readonly nint _to;
    private readonly long _parts;
    private readonly long _rows;
    private readonly long _width;
    private readonly long _columns;
    private readonly long _rowsABatch;
    private readonly long _batchStride;
    private readonly long _rowStride;
    private readonly int _isFloat;
    private readonly int _accumulate;

    /// <param name="partials">float32 <c>[parts, rows, width]</c>; of a row as many elements count as the gradient has.</param>
    /// <param name="to">Where they go: <c>[rows, columns]</c> or <c>[batch, rows of it, columns]</c>.</param>
    /// <param name="accumulate">Whether the sums are added to what is there.</param>
    public PartialRows(Tensor partials, Tensor to, bool accumulate)
    {
        _partials = partials.Address;
        _to = to.Address;
        (_parts, _rows, _width) = (partials.Shape[0], partials.Shape[1], partials.Shape[2]);
        _columns = to.Shape[^1];
        _rowsABatch = to.Shape[^2];
        _batchStride = to.Rank > 2 ? to.Strides[0] : 0;
        _rowStride = to.Strides[^2];
        _isFloat = to.DType == DType.Float32 ? 1 : 0;
        _accumulate = accumulate ? 1 : 0;
    }

    public long Elements => _rows * _width;

    public long Width => _width;
}
