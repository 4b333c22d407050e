using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>
/// Attention of bfloat16 heads by the warpgroups of compute capability 9.0, whose tensor cores are fed from shared memory while
/// their threads compute exponentials.
/// </summary>
internal static class AttentionWarpgroups
{
    /// <summary>The largest head size.</summary>
    public const int LargestHead = 128;

    private const int Architecture = 90;
    private const int HeadMultiple = 8;
    private const int SmallHead = 64;
    private const int Threads = 128;
    private const int Keys = 128;
    private const int Stages = 2;
    private const int QueryStages = 2;
    private const int RowsOfWarpgroup = 64;
    private const int BackwardWarpgroups = 2;
    private const int ElementBytes = 2;
    private const int BarrierBytes = 8;

    private static readonly KernelTable<int> ForwardKernel = new(
        "attention_wgmma_forward.cu",
        "attention_wgmma_forward",
        head => [("HEAD", head), ("WARPGROUPS", ForwardWarpgroups(head)), ("KEYS", Keys), ("STAGES", Stages)],
        40,
        128);

    private static readonly KernelTable<(int Head, bool Rotary)> BackwardKernel = new(
        "attention_wgmma_backward.cu",
        "attention_wgmma_backward",
        key => [.. BackwardMacros(key.Head, key.Rotary), ("STAGES", Stages)],
        (40, false),
        (128, true));

    private static readonly KernelTable<(int Head, bool Rotary, int Piece)> QueriesKernel = new(
        "attention_wgmma_queries.cu",
        "attention_wgmma_queries",
        key => [.. BackwardMacros(key.Head, key.Rotary), ("PIECE", key.Piece)],
        (40, false, 1),
        (128, true, 8));

    [ThreadStatic]
    private static bool _isLeftOut;

    /// <summary>Whether these kernels take the heads.</summary>
    public static bool Take(Tensor q) =>
        q.DType == DType.BFloat16 && q.Shape[3] % HeadMultiple == 0 && q.Shape[3] <= LargestHead && !_isLeftOut
        && q.Device.Context.Architecture == Architecture;

    /// <summary>
    /// Whether these kernels also turn gradients of rotary embeddings back: both channels of a pair are then at the same place of
    /// groups of 8.
    /// </summary>
    public static bool TurnBack(Tensor q) => q.Count > 0 && q.Shape[3] % (2 * HeadMultiple) == 0 && Take(q);

    /// <summary>What runs in <paramref name="work"/> uses the kernels of older cards: for comparisons.</summary>
    public static void LeaveOut(Action work)
    {
        _isLeftOut = true;
        try
        {
            work();
        }
        finally
        {
            _isLeftOut = false;
        }
    }

    public static void Forward(CudaAttentionCall call, Tensor q, Tensor k, Tensor v, Tensor y, Tensor statistics)
    {
        (q, k, v) = (Rows(q), Rows(k), Rows(v));
        int warpgroups = ForwardWarpgroups(call.Head);
        int rows = warpgroups * RowsOfWarpgroup;
        var queries = CudaTensorMap.OfHeads(q, rows);
        var keys = CudaTensorMap.OfHeads(k, Keys);
        var values = CudaTensorMap.OfHeads(v, Keys);
        CudaHeads results = CudaHeads.Of(y);
        AttentionShape shape = call.Shape;
        long blocks = Math.Min(call.QueryTiles(rows), call.Device.Context.Multiprocessors);
        ForwardKernel[call.Device, call.Head].Launch(
            new CudaGrid(blocks, (warpgroups + 1) * Threads, ForwardBytes(call.Head)),
            KernelArgument.Of(in queries),
            KernelArgument.Of(in keys),
            KernelArgument.Of(in values),
            KernelArgument.Of(in results),
            statistics,
            KernelArgument.Of(in shape),
            call.QueryHeadsTogether,
            call.Device.Context.WorkCounter);
    }

    /// <summary>All three gradients.</summary>
    /// <param name="call">The call.</param>
    /// <param name="g">Its inputs and their gradients' places.</param>
    /// <param name="logarithms">The statistics of the forward pass.</param>
    /// <param name="angles">What queries and keys were turned by before; their gradients are turned back.</param>
    public static void Backward(CudaAttentionCall call, BackwardContext g, Tensor logarithms, RopeAngles? angles)
    {
        (Tensor q, Tensor k, Tensor v, Tensor dy) = (Rows(g.Saved(0)), Rows(g.Saved(1)), Rows(g.Saved(2)), Rows(g.Gradient(0)!));
        int tile = Queries(call.Head);
        int tiles = checked((int)call.QueryTiles(tile));
        Tensor turns = Tensor.Empty([tiles], DType.Int32, q.Device);
        Tensor sums = Tensor.Empty([tiles, tile * Channels(call.Head)], DType.Float32, q.Device);
        Tensor statistics = AttentionDelta.Compute(call, g.Saved(3), dy, logarithms, AttentionTensorCores.StatisticsUnit, tile, turns);
        using var gradients = new GradientPlaces(g);
        GradientRows dq = gradients.Rows(0, innerDimensions: 1);
        GradientRows dk = gradients.Rows(1, innerDimensions: 1);
        GradientRows dv = gradients.Rows(2, innerDimensions: 1);
        var queries = CudaTensorMap.OfHeads(q, tile);
        var keys = CudaTensorMap.OfHeads(k, Keys);
        var values = CudaTensorMap.OfHeads(v, Keys);
        var upstream = CudaTensorMap.OfHeads(dy, tile);
        (CudaHeads keyRows, CudaHeads valueRows, CudaHeads queryRows) = (CudaHeads.Of(dk.Tensor), CudaHeads.Of(dv.Tensor), CudaHeads.Of(dq.Tensor));
        AttentionShape shape = call.Shape;
        CudaRotary rotary = CudaRotary.Of(angles);
        BackwardKernel[call.Device, (call.Head, angles is not null)].Launch(
            new CudaGrid(call.KeyTiles(Keys), (BackwardWarpgroups + 1) * Threads, BackwardBytes(call.Head)),
            KernelArgument.Of(in queries),
            KernelArgument.Of(in keys),
            KernelArgument.Of(in values),
            KernelArgument.Of(in upstream),
            statistics,
            KernelArgument.Of(in keyRows),
            KernelArgument.Of(in valueRows),
            dk.Accumulate ? 1 : 0,
            dv.Accumulate ? 1 : 0,
            sums,
            turns,
            KernelArgument.Of(in rotary),
            KernelArgument.Of(in shape),
            call.KeyHeadsInTurn);
        if (dq.Tensor is { } target)
        {
            QueriesKernel[call.Device, (call.Head, angles is not null, CudaHeads.AreAligned(target) ? HeadMultiple : 1)].Launch(
                new CudaGrid(tiles, BackwardWarpgroups * Threads),
                sums,
                KernelArgument.Of(in queryRows),
                dq.Accumulate ? 1 : 0,
                KernelArgument.Of(in rotary),
                KernelArgument.Of(in shape));
        }
    }

    private static (string Name, object Value)[] BackwardMacros(int head, bool rotary) =>
        [("HEAD", head), ("WARPGROUPS", BackwardWarpgroups), ("QUERIES", Queries(head)), ("ROTARY", rotary ? 1 : 0)];

    /// <summary>The tensor as tensor maps take it: with aligned rows, none of which stands for several.</summary>
    private static Tensor Rows(Tensor heads)
    {
        Tensor rows = CudaHeads.Rows(heads, aligned: true);
        return Overlap.Within(rows) ? rows.Clone() : rows;
    }

    // Scores, sums and rounded exponentials of 64 rows take 160 registers of a thread at 64 channels, so that three warpgroups fit,
    // and 200 at 128.
    private static int ForwardWarpgroups(int head) => head <= SmallHead ? 3 : 2;

    // The gradients of 64 keys stay in registers beside the scores, which leaves room for those of fewer queries at 128 channels.
    private static int Queries(int head) => head <= SmallHead ? 128 : 64;

    private static int Channels(int head) => head <= SmallHead ? SmallHead : LargestHead;

    // As Memory of attention_wgmma_forward.cu: tiles of queries, keys and values, two barriers a stage of each, numbers of tiles.
    private static int ForwardBytes(int head)
    {
        int rows = (QueryStages * ForwardWarpgroups(head) * RowsOfWarpgroup) + (2 * Stages * Keys);
        return (rows * Channels(head) * ElementBytes) + (2 * (QueryStages + (2 * Stages)) * BarrierBytes) + (QueryStages * sizeof(int));
    }

    // As Memory of attention_wgmma_backward.cu: keys, values; queries and upstream gradients, score gradients; sums; statistics.
    private static int BackwardBytes(int head)
    {
        int queries = Queries(head);
        int elements = (((2 * Keys) + (2 * Stages * queries)) * Channels(head)) + (2 * queries * Keys);
        int numbers = (queries * Channels(head)) + (2 * Stages * queries);
        return (elements * ElementBytes) + (numbers * sizeof(float)) + ((3 + (4 * Stages)) * BarrierBytes);
    }
}
