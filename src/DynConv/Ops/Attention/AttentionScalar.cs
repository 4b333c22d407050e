using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Attention on CUDA in float32 arithmetic: float32 heads, and those that the tensor cores do not take.</summary>
internal static class AttentionScalar
{
    /// <summary>The largest head size.</summary>
    public const int LargestHead = 384;

    private const int Threads = 256;
    private const int LargestTile = 64;
    private const int SmallestTile = 16;

    // Tiles of rows in shared memory.
    private const int ForwardTiles = 2;
    private const int BackwardTiles = 4;

    private static readonly KernelTable<(DType Type, int Head, int Tile)> ForwardKernel = new(
        "attention_scalar_forward.cu",
        "attention_scalar_forward",
        Macros,
        (DType.Float32, 64, 64),
        (DType.BFloat16, 7, 16));

    private static readonly KernelTable<(DType Type, int Head, int Tile)> QueriesKernel = new(
        "attention_scalar_backward.cu",
        "attention_scalar_queries",
        Macros,
        (DType.Float32, 64, 64),
        (DType.BFloat16, 256, 32));

    private static readonly KernelTable<(DType Type, int Head, int Tile)> KeysKernel = new(
        "attention_scalar_backward.cu",
        "attention_scalar_keys",
        Macros,
        (DType.Float32, 64, 64),
        (DType.BFloat16, 256, 32));

    public static void Forward(CudaAttentionCall call, Tensor q, Tensor k, Tensor v, Tensor y, Tensor statistics)
    {
        int tile = Tile(q.Device, call.Head, ForwardTiles);
        AttentionShape shape = call.Shape;
        (CudaHeads queries, CudaHeads keys, CudaHeads values, CudaHeads results) =
            (CudaHeads.Of(q), CudaHeads.Of(k), CudaHeads.Of(v), CudaHeads.Of(y));
        ForwardKernel[q.Device, (q.DType, call.Head, tile)].Launch(
            new CudaGrid(call.QueryTiles(tile), Threads, SharedBytes(call.Head, tile, ForwardTiles)),
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
        int tile = Tile(dq.Device, call.Head, BackwardTiles);
        AttentionShape shape = call.Shape;
        CudaHeads target = CudaHeads.Of(dq);
        QueriesKernel[dq.Device, (dq.DType, call.Head, tile)].Launch(
            new CudaGrid(call.QueryTiles(tile), Threads, SharedBytes(call.Head, tile, BackwardTiles)),
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
        CudaAttentionCall call, AttentionGradientInputs inputs, DType type, GradientRows dk, GradientRows dv)
    {
        Device device = inputs.Statistics.Device;
        int tile = Tile(device, call.Head, BackwardTiles);
        AttentionShape shape = call.Shape;
        (CudaHeads keys, CudaHeads values) = (CudaHeads.Of(dk.Tensor), CudaHeads.Of(dv.Tensor));
        KeysKernel[device, (type, call.Head, tile)].Launch(
            new CudaGrid(call.KeyTiles(tile), Threads, SharedBytes(call.Head, tile, BackwardTiles)),
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

    /// <summary>The most rows that have room in shared memory.</summary>
    private static int Tile(Device device, int head, int tiles)
    {
        int tile = LargestTile;
        while (tile > SmallestTile && SharedBytes(head, tile, tiles) > device.Context.MaximumSharedBytes)
        {
            tile /= 2;
        }

        return tile;
    }

    /// <summary>Some tiles of rows and one of weights, as in attention_scalar.cuh.</summary>
    private static int SharedBytes(int head, int tile, int tiles) =>
        ((tiles * tile * (((head + 7) / 8 * 8) + 4)) + (tile * (tile + 4))) * sizeof(float);

    private static (string Name, object Value)[] Macros((DType Type, int Head, int Tile) key) =>
        [("ELEMENT", key.Type.CudaName()), ("HEAD", key.Head), ("TILE", key.Tile)];
}
