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

    private const int Lanes = 32;
    private const int ElementBytes = 2;
    private const int StatisticsBytes = 2 * sizeof(float);

    private static readonly KernelTable<int> ForwardKernel = new(
        "attention_mma_forward.cu", "attention_mma_forward", head => ForwardTiles(head).Macros(head), 40, 64, 128, 256);

    private static readonly KernelTable<int> QueriesKernel = new(
        "attention_mma_queries.cu", "attention_mma_queries", head => QueriesTiles(head).Macros(head), 40, 64, 128);

    private static readonly KernelTable<int> KeysKernel = new(
        "attention_mma_keys.cu", "attention_mma_keys", head => KeysTiles(head).Macros(head), 40, 64, 128);

    public static void Forward(CudaAttentionCall call, Tensor q, Tensor k, Tensor v, Tensor y, Tensor statistics)
    {
        Tiles tiles = ForwardTiles(call.Head);
        int shared = ((tiles.Rows + (4 * tiles.Walked)) * Pitch(call.Head)) * ElementBytes;
        (CudaHeads queries, CudaHeads keys, CudaHeads values, CudaHeads results) =
            (CudaHeads.Of(q), CudaHeads.Of(k), CudaHeads.Of(v), CudaHeads.Of(y));
        ForwardKernel[q.Device, call.Head].Launch(
            new CudaGrid(call.QueryTiles(tiles.Rows), tiles.Warps * Lanes, shared),
            KernelArgument.Of(in queries),
            KernelArgument.Of(in keys),
            KernelArgument.Of(in values),
            KernelArgument.Of(in results),
            statistics,
            KernelArgument.Of(in call.Shape),
            call.QueryHeadsTogether);
    }

    public static void QueryGradient(CudaAttentionCall call, AttentionGradientInputs inputs, Tensor dq, bool accumulate)
    {
        Tiles tiles = QueriesTiles(call.Head);
        int shared = ((2 * tiles.Rows) + (4 * tiles.Walked)) * Pitch(call.Head) * ElementBytes;
        CudaHeads target = CudaHeads.Of(dq);
        QueriesKernel[dq.Device, call.Head].Launch(
            new CudaGrid(call.QueryTiles(tiles.Rows), tiles.Warps * Lanes, shared),
            KernelArgument.Of(in inputs.Q),
            KernelArgument.Of(in inputs.K),
            KernelArgument.Of(in inputs.V),
            KernelArgument.Of(in inputs.Upstream),
            inputs.Statistics,
            call.PaddedQueries,
            KernelArgument.Of(in target),
            accumulate ? 1 : 0,
            KernelArgument.Of(in call.Shape),
            call.QueryHeadsTogether);
    }

    public static void KeyGradients(
        CudaAttentionCall call, AttentionGradientInputs inputs, GradientRows dk, GradientRows dv)
    {
        Tiles tiles = KeysTiles(call.Head);
        int pitchBytes = Pitch(call.Head) * ElementBytes;
        int shared = (2 * tiles.Rows * pitchBytes) + (2 * tiles.Walked * ((2 * pitchBytes) + StatisticsBytes));
        (CudaHeads keys, CudaHeads values) = (CudaHeads.Of(dk.Tensor), CudaHeads.Of(dv.Tensor));
        KeysKernel[inputs.Statistics.Device, call.Head].Launch(
            new CudaGrid(call.KeyTiles(tiles.Rows), tiles.Warps * Lanes, shared),
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
            KernelArgument.Of(in call.Shape),
            call.KeyHeadsTogether);
    }

    private static Tiles ForwardTiles(int head) => head switch
    {
        <= 64 => new("KEYS", Warps: 4, Count: 2, Walked: 64, Chunk: 64, Kept: true),
        <= 128 => new("KEYS", Warps: 4, Count: 2, Walked: 64, Chunk: 64, Kept: false),
        _ => new("KEYS", Warps: 4, Count: 1, Walked: 32, Chunk: 32, Kept: false),
    };

    private static Tiles QueriesTiles(int head) => head <= 64
        ? new("KEYS", Warps: 4, Count: 2, Walked: 64, Chunk: 32, Kept: true)
        : new("KEYS", Warps: 4, Count: 1, Walked: 64, Chunk: 32, Kept: true);

    private static Tiles KeysTiles(int head) => head <= 64
        ? new("QUERIES", Warps: 4, Count: 1, Walked: 64, Chunk: 32, Kept: true)
        : new("QUERIES", Warps: 4, Count: 1, Walked: 64, Chunk: 16, Kept: true);

    /// <summary>Elements of a row in shared memory, as in attention_mma.cuh.</summary>
    private static int Pitch(int head) => ((head + 15) / 16 * 16) + 8;

    /// <summary>How a kernel is cut up.</summary>
    /// <param name="WalkedName">The macro for <paramref name="Walked"/>.</param>
    /// <param name="Warps">Warps of a block.</param>
    /// <param name="Count">Tiles of 16 rows that a warp owns.</param>
    /// <param name="Walked">Rows of a tile that the block walks.</param>
    /// <param name="Chunk">Rows of those whose scores are held at a time.</param>
    /// <param name="Kept">Whether a warp's own rows stay in registers.</param>
    private readonly record struct Tiles(string WalkedName, int Warps, int Count, int Walked, int Chunk, bool Kept)
    {
        public int Rows => 16 * Warps * Count;

        public (string Name, object Value)[] Macros(int head) =>
        [
            ("HEAD", head),
            ("WARPS", Warps),
            ("TILES", Count),
            (WalkedName, Walked),
            ("CHUNK", Chunk),
            ("KEPT", Kept ? 1 : 0),
        ];
    }
}
