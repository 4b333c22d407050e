using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>What the gradients of attention need of each query on CUDA.</summary>
internal static class AttentionDelta
{
    private const int Threads = 256;
    private const int AccessBytes = 16;
    private const int Warp = 32;

    // As in attention_delta.cu.
    private const int RowsTogether = 4;

    private static readonly KernelTable<(DType Type, int Head, int Piece)> Kernel = new(
        "attention_delta.cu",
        "attention_delta",
        key => [("ELEMENT", key.Type.CudaName()), ("HEAD", key.Head), ("PIECE", key.Piece), ("LANES", Lanes(key.Head / key.Piece))],
        (DType.Float32, 7, 1),
        (DType.BFloat16, 64, 8));

    /// <summary>The statistics of <see cref="AttentionGradientInputs"/>.</summary>
    /// <param name="call">The call.</param>
    /// <param name="y">Its result.</param>
    /// <param name="dy">The result's gradient.</param>
    /// <param name="logarithms">Of each query's sum of exponentials, <c>[B, H, T]</c>.</param>
    /// <param name="unit">What they are multiplied by.</param>
    /// <param name="multiple">What a head's number of queries is filled up to a multiple of.</param>
    /// <param name="turns">Counters to set to zero, int32.</param>
    public static Tensor Compute(
        CudaAttentionCall call, Tensor y, Tensor dy, Tensor logarithms, float unit, int multiple, Tensor? turns = null)
    {
        int padded = (call.Queries + multiple - 1) / multiple * multiple;
        long heads = y.Shape[0] * y.Shape[2];
        Tensor pairs = Tensor.Empty([y.Shape[0], y.Shape[2], padded, 2], DType.Float32, y.Device);
        if (pairs.Count > 0)
        {
            int wide = AccessBytes / y.DType.SizeInBytes();
            int piece = call.Head % wide == 0 && CudaHeads.AreAligned(y) && CudaHeads.AreAligned(dy) ? wide : 1;
            int lanes = Lanes(call.Head / piece);
            int rows = Threads / lanes * (call.Head / piece <= lanes ? RowsTogether : 1);
            (CudaHeads results, CudaHeads upstream) = (CudaHeads.Of(y), CudaHeads.Of(dy));
            Kernel[y.Device, (y.DType, call.Head, piece)].Launch(
                new CudaGrid((padded + rows - 1) / rows * heads, Threads),
                KernelArgument.Of(in results),
                KernelArgument.Of(in upstream),
                logarithms,
                pairs,
                turns,
                checked((int)(turns?.Count ?? 0)),
                checked((int)y.Shape[0]),
                call.QueryHeads,
                call.Queries,
                padded,
                unit);
        }

        return pairs;
    }

    /// <summary>Lanes that share a row: so many that each has one piece, if a warp has them.</summary>
    private static int Lanes(int pieces)
    {
        int lanes = 1;
        while (lanes < pieces && lanes < Warp)
        {
            lanes *= 2;
        }

        return lanes;
    }
}
