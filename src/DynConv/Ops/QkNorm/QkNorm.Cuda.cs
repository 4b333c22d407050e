using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class QkNorm
{
    // Larger heads would need more shared memory than a kernel has without asking; attention has none on CUDA.
    private const int LargestHead = 512;

    private const int Threads = 256;
    private const int Lanes = 32;

    private static readonly HeadSplit[] Examples =
    [
        new(DType.BFloat16, DType.Float32, ElementLaunch.Narrow, 4, 1),
        new(DType.BFloat16, DType.BFloat16, ElementLaunch.Single, 32, 2),
        new(DType.Float32, DType.Float32, ElementLaunch.Wide, 8, 1),
    ];

    private static readonly KernelTable<HeadSplit> ForwardTable = new("qk_norm.cu", "qk_norm_forward", Macros, Examples);

    private static readonly KernelTable<HeadSplit> BackwardTable = new("qk_norm.cu", "qk_norm_backward", Macros, Examples);

    private static (Tensor Q, Tensor K) ApplyCuda(Tensor[] inputs, Tensor[] scales, float epsilon, RopeAngles angles)
    {
        OpArguments.OneDevice(Op, inputs[0], inputs[1], scales[0], scales[1], angles.Table);
        Tensor[] rows = [.. inputs.Select(x => RowLayout.Of(x))];
        Tensor[] weights = [.. scales.Select(weight => RowLayout.Of(weight))];
        Tensor[] turned = [.. inputs.Select(x => Tensor.Empty(x.Shape, x.DType, x.Device))];
        Tensor[] inverses = [.. inputs.Select(x => Tensor.Empty(x.Shape[..^1], DType.Float32, x.Device))];
        if (turned.Any(y => y.Count > 0))
        {
            var split = HeadSplit.Of(weights, rows, turned);
            NormedHeads[] heads =
            [
                .. Enumerable.Range(0, 2).Select(i => new NormedHeads(rows[i], null, turned[i], weights[i], inverses[i])
                {
                    Blocks = split.BlocksFor(inverses[i].Count),
                }),
            ];
            Launch(ForwardTable, split, rows[0], heads, angles.Table, angles.Position, angles.Positions, epsilon);
        }

        long position = angles.Position;
        Tape.Record(
            Op,
            turned,
            [.. rows, .. weights],
            [.. rows, .. weights, .. inverses, angles.Table, angles.Positions],
            g => BackwardCuda(g, position));
        return (turned[0], turned[1]);
    }

    private static void BackwardCuda(BackwardContext g, long position)
    {
        using var gradients = new GradientPlaces(g);
        Tensor[] x = [g.Saved(0), g.Saved(1)];
        Tensor[] weights = [g.Saved(2), g.Saved(3)];
        GradientRows[] dx = [gradients.Rows(0, innerDimensions: 1), gradients.Rows(1, innerDimensions: 1)];
        GradientRows[] dweight = [gradients.Rows(2, innerDimensions: 1), gradients.Rows(3, innerDimensions: 1)];

        // A result that nothing depends on has a gradient of zeros, which is rare.
        Tensor[] dy = [.. x.Select((one, i) => g.Gradient(i) is { } upstream ? RowLayout.Of(upstream) : Tensor.Zeros(one.Shape, one.DType, one.Device))];
        var split = HeadSplit.Of(weights, x, dy, [.. dx.Select(rows => rows.Tensor).OfType<Tensor>()]);

        // As many blocks of each as run at once in all: each keeps its sums for the weight until its last head.
        long resident = BackwardTable[x[0].Device, split].ResidentBlocks(Threads);
        long all = Math.Max(1, x.Sum(one => one.Count));
        var heads = new NormedHeads[2];
        var partials = new Tensor?[2];
        for (int i = 0; i < 2; i++)
        {
            Tensor inverse = g.Saved(4 + i);
            long blocks = Math.Min(split.BlocksFor(inverse.Count), Math.Max(1, resident * x[i].Count / all));
            partials[i] = dweight[i].Tensor is null ? null : Tensor.Empty([blocks, x[i].Shape[3]], DType.Float32, x[i].Device);
            heads[i] = new NormedHeads(x[i], dy[i], dx[i].Tensor, weights[i], inverse)
            {
                Blocks = blocks,
                Partials = partials[i]?.Address ?? 0,
                Accumulate = dx[i].Accumulate ? 1 : 0,
            };
        }

        if (heads.Any(one => one.Blocks > 0))
        {
            Launch(BackwardTable, split, x[0], heads, g.Saved(6), position, g.SavedOrNull(7));
        }

        for (int i = 0; i < 2; i++)
        {
            if (dweight[i].Tensor is { } sum)
            {
                PartialSums.SumInto(partials[i]!, sum, dweight[i].Accumulate);
            }
        }
    }

    private static void Launch(
        KernelTable<HeadSplit> table,
        HeadSplit split,
        Tensor q,
        NormedHeads[] heads,
        Tensor angles,
        long position,
        Tensor? positions,
        params ReadOnlySpan<KernelArgument> others)
    {
        long half = angles.Shape[2];
        var shape = new QkNormShape(q.Shape[0], q.Shape[1], half);
        table[q.Device, split].Launch(
            new CudaGrid(heads[0].Blocks + heads[1].Blocks, Threads),
            [
                KernelArgument.Of(in shape),
                KernelArgument.Of(in heads[0]),
                KernelArgument.Of(in heads[1]),
                angles.Address + (nint)(position * 2 * half * sizeof(float)),
                positions,
                .. others,
            ]);
    }

    private static (string Name, object Value)[] Macros(HeadSplit split) =>
    [
        ("TYPE", split.Type.CudaName()), ("WEIGHT", split.Weight.CudaName()), ("VECTOR", split.Vector),
        ("GROUP", split.Group), ("PAIRS", split.Pairs),
    ];

    /// <summary>How lanes share a head.</summary>
    /// <param name="Type">Of queries and keys.</param>
    /// <param name="Weight">Of their scales.</param>
    /// <param name="Vector">Elements of a chunk.</param>
    /// <param name="Group">Lanes of a head.</param>
    /// <param name="Pairs">Chunks of the first half, and as many of the second, that a lane keeps in registers.</param>
    private readonly record struct HeadSplit(DType Type, DType Weight, int Vector, int Group, int Pairs)
    {
        public static HeadSplit Of(Tensor[] weights, params ReadOnlySpan<Tensor[]> rows)
        {
            long half = rows[0][0].Shape[3] / 2;
            int vector = ElementLaunch.Narrow;
            foreach (Tensor[] some in rows)
            {
                foreach (Tensor tensor in some.Where(tensor => tensor.Count > 0))
                {
                    vector = Math.Min(vector, ElementLaunch.VectorOf(RowWalk.OverRows(tensor), [tensor]));
                }
            }

            bool whole = half % vector == 0
                && weights.All(weight => weight.Address % (vector * weight.DType.SizeInBytes()) == 0);
            vector = whole ? vector : ElementLaunch.Single;
            long chunks = half / vector;
            int group = 1;
            while (group < Lanes && group < chunks)
            {
                group *= 2;
            }

            return new HeadSplit(rows[0][0].DType, weights[0].DType, vector, group, (int)((chunks + group - 1) / group));
        }

        public long BlocksFor(long heads)
        {
            int groups = Threads / Group;
            return (heads + groups - 1) / groups;
        }
    }

    /// <summary>As in qk_norm.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("qk_norm.cu", "QkNormShape")]
    private readonly record struct QkNormShape(long Sequences, long Tokens, long Half);

    /// <summary>As in qk_norm.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("qk_norm.cu", "NormedHeads")]
    private readonly record struct NormedHeads(CudaHeads X, CudaHeads Dy, CudaHeads To, nint Weight, nint InverseRms, long Heads)
    {
        public NormedHeads(Tensor x, Tensor? dy, Tensor? to, Tensor weight, Tensor inverseRms)
            : this(CudaHeads.Of(x), CudaHeads.Of(dy), CudaHeads.Of(to), weight.Address, inverseRms.Address, x.Shape[2])
        {
        }

        public nint Partials { get; init; }

        public long Blocks { get; init; }

        public long Accumulate { get; init; }
    }
}
