using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Attention of a few queries to many keys on CUDA: the keys of a query are shared out among blocks.</summary>
internal static class AttentionDecode
{
    /// <summary>The most queries that this is meant for; each reads the keys for itself.</summary>
    public const int MostQueries = 4;

    private const int Threads = 128;
    private const int AccessBytes = 16;
    private const int BlocksPerMultiprocessor = 8;
    private const int FewestKeys = 64;

    private static readonly KernelTable<(DType Type, int Head, int Vector)> PartsKernel = new(
        "attention_decode.cu", "attention_decode", Macros, (DType.Float32, 64, 4), (DType.BFloat16, 7, 1));

    private static readonly KernelTable<(DType Type, int Head, int Vector)> JoinKernel = new(
        "attention_decode.cu", "attention_join", Macros, (DType.Float32, 64, 4), (DType.BFloat16, 7, 1));

    public static void Forward(CudaAttentionCall call, Tensor q, Tensor k, Tensor v, Tensor y, Tensor statistics)
    {
        long blocks = BlocksPerMultiprocessor * (long)call.Device.Context.Multiprocessors;
        int splits = (int)Math.Clamp(
            (blocks + call.QueryRows - 1) / call.QueryRows, 1, (call.Keys + FewestKeys - 1) / FewestKeys);
        int keysOfSplit = (call.Keys + splits - 1) / splits;
        Tensor parts = Tensor.Empty([call.QueryRows, splits, call.Head + 2], DType.Float32, q.Device);
        int wide = AccessBytes / q.DType.SizeInBytes();
        bool aligned = call.Head % wide == 0 && new[] { q, k, v }.All(CudaHeads.AreAligned);
        (DType, int, int) key = (q.DType, call.Head, aligned ? wide : 1);
        AttentionShape shape = call.Shape;
        (CudaHeads queries, CudaHeads keys, CudaHeads values, CudaHeads results) =
            (CudaHeads.Of(q), CudaHeads.Of(k), CudaHeads.Of(v), CudaHeads.Of(y));
        PartsKernel[q.Device, key].Launch(
            new CudaGrid(call.QueryRows * splits, Threads),
            KernelArgument.Of(in queries),
            KernelArgument.Of(in keys),
            KernelArgument.Of(in values),
            parts,
            KernelArgument.Of(in shape),
            splits,
            keysOfSplit);
        JoinKernel[q.Device, key].Launch(
            new CudaGrid(call.QueryRows, Threads),
            parts,
            KernelArgument.Of(in results),
            statistics,
            call.QueryHeads,
            call.Queries,
            splits);
    }

    private static (string Name, object Value)[] Macros((DType Type, int Head, int Vector) key) =>
        [("ELEMENT", key.Type.CudaName()), ("HEAD", key.Head), ("VECTOR", key.Vector)];
}
