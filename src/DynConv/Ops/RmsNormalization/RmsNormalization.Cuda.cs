using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class RmsNormalization
{
    private const int SmallestGroup = 8;
    private const int LargestGroup = 512;
    private const int BlockThreads = 256;

    // Chunks of a row that a thread keeps in registers. The gradient keeps three tensors' and the sums for the weight, so that with
    // fewer a thread more threads fit.
    private const int MostChunks = 4;
    private const int BackwardChunks = 2;
    private const int MostSingle = 8;

    private static readonly RowSplit[] Examples =
    [
        new(DType.BFloat16, DType.Float32, ElementLaunch.Narrow, 64, 4),
        new(DType.BFloat16, DType.Float32, ElementLaunch.Narrow, 128, 2),
        new(DType.BFloat16, DType.BFloat16, ElementLaunch.Single, 512, 8),
        new(DType.Float32, DType.Float32, ElementLaunch.Wide, 8, 1),
    ];

    private static readonly KernelTable<(RowSplit Split, bool Adds)> ForwardTable = new(
        "rms_norm.cu",
        "rms_norm_forward",
        key => Macros(key.Split, key.Adds),
        [.. Examples.Select(split => (split, false)), .. Examples.Select(split => (split, true))]);

    private static readonly KernelTable<RowSplit> BackwardTable = new(
        "rms_norm.cu", "rms_norm_backward", split => Macros(split, adds: false), Examples);

    private static void ForwardCuda(Tensor x, Tensor? added, Tensor weight, float epsilon, Tensor y, Tensor? sum, Tensor inverseRms)
    {
        if (x.Count == 0)
        {
            return;
        }

        Tensor[] rows = added is null ? [x, y] : [x, y, added, sum!];
        var walk = RowWalk.OverRows(rows);
        var split = RowSplit.Of(walk, weight, MostChunks, rows);
        var layout = new RowStrides(walk);
        ForwardTable[x.Device, (split, added is not null)].Launch(
            new CudaGrid(split.BlocksFor(walk.Rows), split.Threads),
            KernelArgument.Of(in layout),
            walk.Rows,
            walk.Length,
            x,
            added,
            weight,
            epsilon,
            y,
            sum,
            inverseRms);
    }

    private static void BackwardCuda(
        Tensor dy, Tensor x, Tensor weight, Tensor inverseRms, Tensor? elsewhere, Tensor? dx, GradientRows dweight)
    {
        if (weight.Count == 0)
        {
            return;
        }

        Tensor[] rows = [dy, x, dx ?? x, elsewhere ?? x];
        var walk = RowWalk.OverRows(rows);
        var split = RowSplit.Of(walk, weight, BackwardChunks, rows);
        CudaKernel kernel = BackwardTable[x.Device, split];

        // As many blocks as run at once: each keeps its sums for the weight until its last row.
        long resident = kernel.ResidentBlocks(split.Threads);
        long blocks = Math.Min(resident, split.BlocksFor(walk.Rows));
        Tensor? partials = dweight.Tensor is null
            ? null
            : Tensor.Empty([blocks, walk.Length], DType.Float32, x.Device);
        if (blocks > 0)
        {
            Launch(new RowStrides(walk), 0, walk.Length, dx, walk.Length <= split.Columns ? partials : null);
            for (long start = 0; walk.Length > split.Columns && partials is not null && start < walk.Length; start += split.Columns)
            {
                Launch(new RowStrides(walk), start, Math.Min(split.Columns, walk.Length - start), null, partials);
            }
        }

        if (dweight.Tensor is { } sum)
        {
            PartialSums.SumInto(partials!, sum, dweight.Accumulate);
        }

        void Launch(RowStrides layout, long column, long columns, Tensor? target, Tensor? sums)
        {
            if (target is null && sums is null)
            {
                return;
            }

            kernel.Launch(
                new CudaGrid(blocks, split.Threads),
                KernelArgument.Of(in layout),
                walk.Rows,
                columns,
                At(dy, column),
                At(x, column),
                At(weight, column),
                inverseRms,
                target is null ? null : elsewhere,
                target,
                sums is null ? 0 : At(sums, column),
                walk.Length);
        }
    }

    private static nint At(Tensor tensor, long column) => tensor.Address + (nint)(column * tensor.DType.SizeInBytes());

    private static (string Name, object Value)[] Macros(RowSplit split, bool adds) =>
    [
        ("TYPE", split.Type.CudaName()), ("WEIGHT", split.Weight.CudaName()), ("VECTOR", split.Vector),
        ("GROUP", split.Group), ("CHUNKS", split.Chunks), ("ADDS", adds ? 1 : 0),
    ];

    /// <summary>How threads share a row.</summary>
    /// <param name="Type">Of x.</param>
    /// <param name="Weight">Of the weight.</param>
    /// <param name="Vector">Elements of a chunk.</param>
    /// <param name="Group">Threads of a row.</param>
    /// <param name="Chunks">Chunks that a thread keeps in registers.</param>
    private readonly record struct RowSplit(DType Type, DType Weight, int Vector, int Group, int Chunks)
    {
        public int Threads => Math.Max(BlockThreads, Group);

        /// <summary>Columns of a row that registers hold.</summary>
        public long Columns => (long)Group * Chunks * Vector;

        /// <summary>The split of rows of so many columns.</summary>
        /// <param name="walk">The rows.</param>
        /// <param name="weight">The norm's weight.</param>
        /// <param name="wanted">Chunks of a thread where a block has as many threads as that takes.</param>
        /// <param name="tensors">What the rows are of.</param>
        public static RowSplit Of(RowWalk walk, Tensor weight, int wanted, params ReadOnlySpan<Tensor> tensors)
        {
            int vector = ElementLaunch.VectorOf(walk, tensors);
            bool whole = walk.Length % vector == 0 && weight.Address % (vector * weight.DType.SizeInBytes()) == 0;
            vector = whole ? vector : ElementLaunch.Single;
            long chunks = walk.Length / vector;
            (int most, wanted) = vector == ElementLaunch.Single ? (MostSingle, MostSingle) : (MostChunks, wanted);
            int group = SmallestGroup;
            while (group < LargestGroup && chunks > group * (group < BlockThreads ? wanted : most))
            {
                group *= 2;
            }

            int perThread = (int)Math.Min(most, (chunks + group - 1) / group);
            return new RowSplit(tensors[0].DType, weight.DType, vector, group, perThread);
        }

        public long BlocksFor(long rows)
        {
            int groups = Threads / Group;
            return (rows + groups - 1) / groups;
        }
    }
}
