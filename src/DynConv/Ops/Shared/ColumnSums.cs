using System.Runtime.CompilerServices;
using DynConv.Cpu;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>The sums of the columns of a matrix, always added up in the same order: what broadcasting turns gradients into.</summary>
internal static unsafe class ColumnSums
{
    private const int Threads = 256;
    private const int Warp = 32;
    private const int RowsAtATime = Threads / Warp;

    private static readonly KernelTable<(DType Type, int Vector)> Kernel = new(
        "column_sums.cu",
        "column_sums",
        key => [("TYPE", key.Type.CudaName()), ("VECTOR", key.Vector)],
        (DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, ElementLaunch.Narrow),
        (DType.BFloat16, ElementLaunch.Single));

    /// <summary>Puts the sum over all dimensions but the last where it belongs.</summary>
    /// <param name="x"><c>[..., D]</c>, inner stride 1.</param>
    /// <param name="sum"><c>[D]</c>, contiguous; float32, or on CUDA also bfloat16.</param>
    /// <param name="accumulate">Whether to add to what is there.</param>
    public static void Into(Tensor x, Tensor sum, bool accumulate) =>
        PartialSums.SumInto(x.Device.IsCuda ? PartialsCuda(x) : PartialsCpu(x), sum, accumulate);

    /// <summary>The same for a gradient; nothing where it is not wanted or empty.</summary>
    /// <param name="x"><c>[..., D]</c>, any strides.</param>
    /// <param name="target">Where the sum goes, <c>[D]</c>.</param>
    public static void Into(Tensor x, GradientRows target)
    {
        if (target.Tensor is { Count: > 0 } sum)
        {
            Into(RowLayout.Of(x), sum, target.Accumulate);
        }
    }

    private static Tensor PartialsCpu(Tensor x)
    {
        var walk = RowWalk.OverRows(x);
        float* from = x.Float();
        return PartialSums.OfRows(walk, (start, end, sums) => Simd.Run(new SumKernel(walk, start, end, from, sums)));
    }

    private static Tensor PartialsCuda(Tensor x)
    {
        var walk = RowWalk.OverRows(x);
        int vector = ElementLaunch.VectorOf(walk, [x]);
        vector = walk.Length % vector == 0 ? vector : ElementLaunch.Single;
        CudaKernel kernel = Kernel[x.Device, (x.DType, vector)];

        // As many blocks as run at once, so that there are no more partial sums than it takes to keep the card busy.
        long columns = (walk.Length + (Warp * vector) - 1) / (Warp * vector);
        long resident = kernel.ResidentBlocks(Threads);
        long parts = Math.Min((resident + columns - 1) / columns, (walk.Rows + RowsAtATime - 1) / RowsAtATime);
        Tensor partials = Tensor.Empty([parts, walk.Length], DType.Float32, x.Device);
        if (parts > 0)
        {
            var layout = new RowStrides(walk);
            kernel.Launch(
                new CudaGrid((columns, parts, 1), Threads),
                KernelArgument.Of(in layout),
                walk.Rows,
                walk.Length,
                x,
                partials);
        }

        return partials;
    }

    private readonly struct SumKernel(RowWalk walk, long start, long end, float* x, float* sums) : ISimdKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = start; row < end; row++)
            {
                float* from = x + walk.Offset(0, row);
                long i = 0;
                for (; i + TSimd.Width <= walk.Length; i += TSimd.Width)
                {
                    TSimd.Store(sums + i, TSimd.Add(TSimd.Load(sums + i), TSimd.Load(from + i)));
                }

                for (; i < walk.Length; i++)
                {
                    sums[i] += from[i];
                }
            }
        }
    }
}
