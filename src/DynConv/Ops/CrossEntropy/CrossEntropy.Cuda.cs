using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class CrossEntropy
{
    private const string Source = "cross_entropy.cu";
    private const int MeanThreads = 1024;
    private const int LargestBlock = 1024;

    // Classes up to which a small block has enough to do.
    private const long FewClasses = 4096;

    // Shared memory that a block needs for its sums beside a row that it keeps there.
    private const int SumBytes = 1024;

    private static readonly KernelTable<(DType Type, int Threads)> RowsTable = new(
        Source, "cross_entropy_rows", Macros, (DType.Float32, ThreadsFor(1)), (DType.BFloat16, ThreadsFor(FewClasses + 1)));

    private static readonly KernelTable<(DType Type, int Threads)> BackwardTable = new(
        Source, "cross_entropy_backward", Macros, (DType.Float32, ThreadsFor(1)), (DType.BFloat16, ThreadsFor(FewClasses + 1)));

    private static readonly KernelTable<(DType Type, int Threads)> RowsAndGradientTable = new(
        Source,
        "cross_entropy_rows_and_gradient",
        Macros,
        (DType.Float32, ThreadsFor(FewClasses + 1)),
        (DType.BFloat16, ThreadsFor(FewClasses + 1)));

    private static readonly KernelTable<(DType Type, int Threads)> FetchedRowsAndGradientTable = new(
        Source,
        "cross_entropy_fetched_rows_and_gradient",
        Macros,
        (DType.Float32, ThreadsFor(1)),
        (DType.BFloat16, LargestBlock));

    private static readonly KernelTable<ValueTuple> InverseCountTable = new(
        "cross_entropy_mean.cu", "cross_entropy_inverse_count", _ => [], default(ValueTuple));

    private static readonly KernelTable<ValueTuple> MeanTable = new(
        "cross_entropy_mean.cu", "cross_entropy_mean", _ => [], default(ValueTuple));

    private static void RowsCuda(Tensor logits, Tensor targets, int ignoreIndex, Tensor rows, Tensor? statistics)
    {
        (long n, long v) = (logits.Shape[0], logits.Shape[1]);
        if (n > 0)
        {
            RowsTable[logits.Device, (logits.DType, ThreadsFor(v))].Launch(
                new CudaGrid(n, ThreadsFor(v)), logits, logits.Strides[0], v, targets, ignoreIndex, rows, statistics);
        }
    }

    private static void RowsAndGradientCuda(Tensor logits, Tensor targets, int ignoreIndex, Tensor inverseCount, Tensor rows)
    {
        (long n, long v) = (logits.Shape[0], logits.Shape[1]);
        if (n == 0)
        {
            return;
        }

        long bytes = v * logits.DType.SizeInBytes();
        long most = logits.Device.Context.MaximumSharedBytes;
        if (bytes + SumBytes > most)
        {
            RowsAndGradientTable[logits.Device, (logits.DType, ThreadsFor(v))].Launch(
                new CudaGrid(n, ThreadsFor(v)), logits, logits.Strides[0], v, targets, ignoreIndex, inverseCount, rows);
            return;
        }

        // A block whose row leaves no room for another has a multiprocessor to itself. A thread fetches 16 chunks at most.
        int threads = 2 * (bytes + SumBytes) > most ? LargestBlock : ThreadsFor(v);
        CudaKernel kernel = FetchedRowsAndGradientTable[logits.Device, (logits.DType, threads)];
        long blocks = Math.Min(n, kernel.ResidentBlocks(threads, (int)bytes));
        kernel.Launch(
            new CudaGrid(blocks, threads, (int)bytes), logits, logits.Strides[0], v, n, targets, ignoreIndex, inverseCount, rows);
    }

    private static void InverseCountCuda(Tensor targets, int ignoreIndex, Tensor inverseCount) =>
        InverseCountTable[targets.Device, default].Launch(
            new CudaGrid(1, MeanThreads), targets, targets.Count, ignoreIndex, inverseCount);

    private static void MeanCuda(Tensor rows, Tensor targets, int ignoreIndex, Tensor loss, Tensor inverseCount) =>
        MeanTable[rows.Device, default].Launch(
            new CudaGrid(1, MeanThreads), rows, targets, rows.Count, ignoreIndex, loss, inverseCount);

    private static void BackwardCuda(
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
        if (logits.Count > 0)
        {
            BackwardTable[logits.Device, (logits.DType, ThreadsFor(v))].Launch(
                new CudaGrid(n, ThreadsFor(v)),
                upstream,
                inverseCount,
                logits,
                logits.Strides[0],
                v,
                targets,
                ignoreIndex,
                statistics,
                target,
                target.Strides[0],
                accumulate ? 1 : 0);
        }
    }

    private static int ThreadsFor(long classes) => classes <= FewClasses ? 128 : 512;

    private static (string Name, object Value)[] Macros((DType Type, int Threads) key) =>
        [("TYPE", key.Type.CudaName()), ("THREADS_PER_ROW", key.Threads)];
}
