using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Attention on CUDA in float32 arithmetic: float32 heads, and those that the tensor cores do not take.</summary>
internal static class AttentionScalar
{
    /// <summary>The largest head size.</summary>
    public const int LargestHead = 512;

    private const int Threads = 256;

    private static readonly KernelTable<(DType Type, int Head)> ForwardKernel = new(
        "attention_scalar_forward.cu",
        "attention_scalar_forward",
        key => Macros(key, ForwardTile(key.Head)),
        (DType.Float32, 64),
        (DType.BFloat16, 7));

    private static readonly KernelTable<(DType Type, int Head)> QueriesKernel = new(
        "attention_scalar_backward.cu",
        "attention_scalar_queries",
        key => Macros(key, BackwardTile(key.Head)),
        (DType.Float32, 64),
        (DType.BFloat16, 256));

    private static readonly KernelTable<(DType Type, int Head)> KeysKernel = new(
        "attention_scalar_backward.cu",
        "attention_scalar_keys",
        key => Macros(key, BackwardTile(key.Head)),
        (DType.Float32, 64),
        (DType.BFloat16, 256));

    public static void Forward(CudaAttentionCall call, Tensor q, Tensor k, Tensor v, Tensor y, Tensor statistics)
    {
        int tile = ForwardTile(call.Head);
        (CudaHeads queries, CudaHeads keys, CudaHeads values, CudaHeads results) =
            (CudaHeads.Of(q), CudaHeads.Of(k), CudaHeads.Of(v), CudaHeads.Of(y));
        ForwardKernel[q.Device, (q.DType, call.Head)].Launch(
            new CudaGrid(call.QueryTiles(tile), Threads, SharedBytes(call.Head, tile, tiles: 2)),
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
        int tile = BackwardTile(call.Head);
        CudaHeads target = CudaHeads.Of(dq);
        QueriesKernel[dq.Device, (dq.DType, call.Head)].Launch(
            new CudaGrid(call.QueryTiles(tile), Threads, SharedBytes(call.Head, tile, tiles: 4)),
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
        CudaAttentionCall call, AttentionGradientInputs inputs, DType type, GradientRows dk, GradientRows dv)
    {
        int tile = BackwardTile(call.Head);
        (CudaHeads keys, CudaHeads values) = (CudaHeads.Of(dk.Tensor), CudaHeads.Of(dv.Tensor));
        KeysKernel[inputs.Statistics.Device, (type, call.Head)].Launch(
            new CudaGrid(call.KeyTiles(tile), Threads, SharedBytes(call.Head, tile, tiles: 4)),
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

    // Tiles that fit the 163 KB of shared memory of the smallest card.
    private static int ForwardTile(int head) => head <= 256 ? 64 : 32;

    private static int BackwardTile(int head) => head <= 128 ? 64 : head <= 256 ? 32 : 16;

    /// <summary>Some tiles of rows and one of weights, as in attention_scalar.cuh.</summary>
    private static int SharedBytes(int head, int tile, int tiles) =>
        ((tiles * tile * (((head + 7) / 8 * 8) + 4)) + (tile * (tile + 4))) * sizeof(float);

    private static (string Name, object Value)[] Macros((DType Type, int Head) key, int tile) =>
        [("ELEMENT", key.Type.CudaName()), ("HEAD", key.Head), ("TILE", tile)];
}
