using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>How the threads of a block share a state on CUDA: the macros of gated_delta.cuh.</summary>
/// <param name="Type">Of q, k and v.</param>
/// <param name="Lanes">Threads of a column.</param>
/// <param name="Rows">Rows of a thread.</param>
/// <param name="Columns">Columns of a block.</param>
internal readonly record struct GatedDeltaSplit(DType Type, int Lanes, int Rows, int Columns)
{
    private const int FewestLanes = 8;
    private const int Warp = 32;
    private const int MostRows = 32;
    private const int ForwardThreads = 128;
    private const int BackwardThreads = 512;
    private const long MostStateBytes = 1L << 29;

    public int Threads => Lanes * Columns;

    /// <summary>Sums of each warp in the backward pass.</summary>
    public int SharedBytes => Threads / Warp * ((2 * Lanes * Rows) + 2) * sizeof(float);

    /// <summary>Floats of the states before the tokens of a chunk, for each block of the backward pass.</summary>
    public long StateFloats => (long)GatedDeltaRule.ChunkTokens * Rows * Threads;

    /// <summary>Few columns, so that there are many blocks.</summary>
    public static GatedDeltaSplit Forward(GatedDeltaShape shape, DType type)
    {
        (int lanes, int rows) = OfKeys(shape.KeySize);
        var split = new GatedDeltaSplit(type, lanes, rows, Warp / lanes);
        return split.Widened(shape, ForwardThreads, int.MaxValue);
    }

    /// <summary>Many columns, so that there are few parts of the gradients of queries and keys to add up.</summary>
    public static GatedDeltaSplit Backward(GatedDeltaShape shape, DType type, Device device) =>
        Forward(shape, type).Widened(shape, BackwardThreads, device.Context.MaximumSharedBytes);

    public static (string Name, object Value)[] Macros(GatedDeltaSplit split) =>
    [
        ("ELEMENT", split.Type.CudaName()), ("LANES", split.Lanes), ("ROWS", split.Rows), ("COLUMNS", split.Columns),
    ];

    public long Slabs(GatedDeltaShape shape) => (shape.ValueSize + Columns - 1) / Columns;

    public long Blocks(GatedDeltaShape shape) => shape.Sequences.Count * shape.ValueHeads * Slabs(shape);

    /// <summary>How many blocks of the backward pass to launch at a time: as many as run, if there is memory for their states.</summary>
    public long BlocksTogether(CudaKernel kernel)
    {
        long resident = kernel.ResidentBlocks(Threads, SharedBytes);
        return Math.Clamp(MostStateBytes / (StateFloats * sizeof(float)), 1, Math.Max(1, resident));
    }

    private GatedDeltaSplit Widened(GatedDeltaShape shape, int threads, int sharedBytes)
    {
        GatedDeltaSplit split = this;
        while (split.Columns < shape.ValueSize && split.Threads < threads && 2 * split.SharedBytes <= sharedBytes)
        {
            split = split with { Columns = 2 * split.Columns };
        }

        return split;
    }

    private static (int Lanes, int Rows) OfKeys(long keys)
    {
        int lanes = FewestLanes;
        while (lanes < Warp && keys > lanes * MostRows)
        {
            lanes *= 2;
        }

        int rows = 1;
        while (rows * (long)lanes < keys)
        {
            rows *= 2;
        }

        return (lanes, rows);
    }
}
