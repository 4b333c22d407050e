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

    public static AttentionLaunch Forward(CudaAttentionCall call)
    {
        int tile = Tile(call, ForwardTiles);
        return new(ForwardKernel[call.Device, (call.Type, call.Head, tile)], Grid(call, call.QueryTiles(tile), tile, ForwardTiles));
    }

    public static AttentionLaunch QueryGradient(CudaAttentionCall call)
    {
        int tile = Tile(call, BackwardTiles);
        return new(QueriesKernel[call.Device, (call.Type, call.Head, tile)], Grid(call, call.QueryTiles(tile), tile, BackwardTiles));
    }

    public static AttentionLaunch KeyGradients(CudaAttentionCall call)
    {
        int tile = Tile(call, BackwardTiles);
        return new(KeysKernel[call.Device, (call.Type, call.Head, tile)], Grid(call, call.KeyTiles(tile), tile, BackwardTiles));
    }

    private static CudaGrid Grid(CudaAttentionCall call, long blocks, int tile, int tiles) =>
        new(blocks, Threads, SharedBytes(call.Head, tile, tiles));

    /// <summary>The most rows that have room in shared memory.</summary>
    private static int Tile(CudaAttentionCall call, int tiles)
    {
        int tile = LargestTile;
        while (tile > SmallestTile && SharedBytes(call.Head, tile, tiles) > call.Device.Context.MaximumSharedBytes)
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
