using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Attention of bfloat16 heads on the tensor cores; head sizes are multiples of 8, rows aligned to 16 bytes.</summary>
internal static class AttentionTensorCores
{
    /// <summary>The largest head size of the forward pass.</summary>
    public const int LargestForward = 256;

    /// <summary>The largest head size of the backward pass.</summary>
    public const int LargestBackward = 128;

    /// <summary>Statistics of the backward pass are multiples of log 2, as exponentials are powers of 2.</summary>
    public const float StatisticsUnit = 1.44269504f;

    private const int StatisticsBytes = 2 * sizeof(float);

    private static readonly KernelTable<AttentionTiles> ForwardKernel = new(
        "attention_mma_forward.cu",
        "attention_mma_forward",
        tiles => tiles.Macros("KEYS"),
        ForwardTiles(40),
        ForwardTiles(64),
        ForwardTiles(128),
        ForwardTiles(256));

    private static readonly KernelTable<AttentionTiles> QueriesKernel = new(
        "attention_mma_queries.cu",
        "attention_mma_queries",
        tiles => tiles.Macros("KEYS"),
        QueriesTiles(40),
        QueriesTiles(64),
        QueriesTiles(128));

    private static readonly KernelTable<AttentionTiles> KeysKernel = new(
        "attention_mma_keys.cu",
        "attention_mma_keys",
        tiles => tiles.Macros("QUERIES"),
        KeysTiles(40),
        KeysTiles(64),
        KeysTiles(128));

    public static void Forward(CudaAttentionCall call, Tensor q, Tensor k, Tensor v, Tensor y, Tensor statistics)
    {
        AttentionTiles tiles = ForwardTiles(call.Head).Fitting(q.Device, ForwardBytes);
        AttentionShape shape = call.Shape;
        (CudaHeads queries, CudaHeads keys, CudaHeads values, CudaHeads results) =
            (CudaHeads.Of(q), CudaHeads.Of(k), CudaHeads.Of(v), CudaHeads.Of(y));
        ForwardKernel[q.Device, tiles].Launch(
            new CudaGrid(call.QueryTiles(tiles.Rows), tiles.Threads, ForwardBytes(tiles)),
            KernelArgument.Of(in queries),
            KernelArgument.Of(in keys),
            KernelArgument.Of(in values),
            KernelArgument.Of(in results),
            statistics,
            KernelArgument.Of(in shape),
            call.QueryHeadsTogether);
    }

    public static void QueryGradient(CudaAttentionCall call, AttentionGradientInputs inputs, Tensor dq, bool accumulate)
    {
        AttentionTiles tiles = QueriesTiles(call.Head).Fitting(dq.Device, QueriesBytes);
        AttentionShape shape = call.Shape;
        CudaHeads target = CudaHeads.Of(dq);
        QueriesKernel[dq.Device, tiles].Launch(
            new CudaGrid(call.QueryTiles(tiles.Rows), tiles.Threads, QueriesBytes(tiles)),
            KernelArgument.Of(in inputs.Q),
            KernelArgument.Of(in inputs.K),
            KernelArgument.Of(in inputs.V),
            KernelArgument.Of(in inputs.Upstream),
            inputs.Statistics,
            call.PaddedQueries,
            KernelArgument.Of(in target),
            accumulate ? 1 : 0,
            KernelArgument.Of(in shape),
            call.QueryHeadsTogether);
    }

    public static void KeyGradients(
        CudaAttentionCall call, AttentionGradientInputs inputs, GradientRows dk, GradientRows dv)
    {
        Device device = inputs.Statistics.Device;
        AttentionTiles tiles = KeysTiles(call.Head).Fitting(device, KeysBytes);
        AttentionShape shape = call.Shape;
        (CudaHeads keys, CudaHeads values) = (CudaHeads.Of(dk.Tensor), CudaHeads.Of(dv.Tensor));
        KeysKernel[device, tiles].Launch(
            new CudaGrid(call.KeyTiles(tiles.Rows), tiles.Threads, KeysBytes(tiles)),
            KernelArgument.Of(in inputs.Q),
            KernelArgument.Of(in inputs.K),
            KernelArgument.Of(in inputs.V),
            KernelArgument.Of(in inputs.Upstream),
            inputs.Statistics,
            call.PaddedQueries,
            KernelArgument.Of(in keys),
            KernelArgument.Of(in values),
            dk.Accumulate ? 1 : 0,
            dv.Accumulate ? 1 : 0,
            KernelArgument.Of(in shape),
            call.KeyHeadsTogether);
    }

    // A matrix of 16 rows from shared memory feeds two products at 16 own rows a warp and four at 32, which takes the
    // bandwidth of shared memory out of the way; beyond 32 the sums do not fit in registers. The same bound decides
    // whether own rows stay in registers or are read again.
    private static AttentionTiles ForwardTiles(int head) => head switch
    {
        <= 64 => new(head, Warps: 4, Count: 2, Walked: 64, Chunk: 64, Kept: true),
        <= 128 => new(head, Warps: 4, Count: 2, Walked: 64, Chunk: 64, Kept: false),
        _ => new(head, Warps: 4, Count: 1, Walked: 32, Chunk: 32, Kept: false),
    };

    private static AttentionTiles QueriesTiles(int head) => head <= 64
        ? new(head, Warps: 4, Count: 2, Walked: 64, Chunk: 32, Kept: true)
        : new(head, Warps: 4, Count: 2, Walked: 32, Chunk: 32, Kept: false);

    private static AttentionTiles KeysTiles(int head) => head <= 64
        ? new(head, Warps: 4, Count: 2, Walked: 64, Chunk: 16, Kept: true)
        : new(head, Warps: 4, Count: 1, Walked: 64, Chunk: 16, Kept: true);

    // Own rows, and two stages of what is walked: two tensors' rows, and with queries their statistics.
    private static int ForwardBytes(AttentionTiles tiles) => (tiles.Rows + (4 * tiles.Walked)) * tiles.RowBytes;

    private static int QueriesBytes(AttentionTiles tiles) => ((2 * tiles.Rows) + (4 * tiles.Walked)) * tiles.RowBytes;

    private static int KeysBytes(AttentionTiles tiles) =>
        (((2 * tiles.Rows) + (4 * tiles.Walked)) * tiles.RowBytes) + (2 * tiles.Walked * StatisticsBytes);
}
