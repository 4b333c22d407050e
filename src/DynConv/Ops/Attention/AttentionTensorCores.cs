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

    private const int HeadMultiple = 8;
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

    /// <summary>Whether these kernels take the heads.</summary>
    public static bool Take(Tensor q, int largestHead) =>
        q.DType == DType.BFloat16 && q.Shape[3] % HeadMultiple == 0 && q.Shape[3] <= largestHead;

    public static AttentionLaunch Forward(CudaAttentionCall call)
    {
        AttentionTiles tiles = ForwardTiles(call.Head).Fitting(call.Device, ForwardBytes);
        return new(
            ForwardKernel[call.Device, tiles],
            new CudaGrid(call.QueryTiles(tiles.Rows), tiles.Threads, ForwardBytes(tiles)));
    }

    public static AttentionLaunch QueryGradient(CudaAttentionCall call)
    {
        AttentionTiles tiles = QueriesTiles(call.Head).Fitting(call.Device, QueriesBytes);
        return new(
            QueriesKernel[call.Device, tiles],
            new CudaGrid(call.QueryTiles(tiles.Rows), tiles.Threads, QueriesBytes(tiles)));
    }

    public static AttentionLaunch KeyGradients(CudaAttentionCall call)
    {
        AttentionTiles tiles = KeysTiles(call.Head).Fitting(call.Device, KeysBytes);
        return new(
            KeysKernel[call.Device, tiles],
            new CudaGrid(call.KeyTiles(tiles.Rows), tiles.Threads, KeysBytes(tiles)));
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
