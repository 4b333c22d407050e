namespace DynConv.Ops;

/// <summary>What all work items of one forward pass share.</summary>
internal sealed unsafe class AttentionForwardPass
{
    public required CpuHeads Q { get; init; }

    public required CpuHeads V { get; init; }

    public required CpuHeads Y { get; init; }

    /// <summary><c>[B, Hkv, blocks, K, keys of a block]</c>.</summary>
    public required float* TransposedKeys { get; init; }

    /// <summary><c>[B, H, T, 2]</c>: the largest score and 1 over the sum of exponentials relative to it.</summary>
    public required float* Statistics { get; init; }

    public required KeyRange Range { get; init; }

    public required float Scale { get; init; }

    public long Queries => Q.Tensor.Shape[1];

    public long QueryHeads => Q.Tensor.Shape[2];

    public long Keys => V.Tensor.Shape[1];

    public long KeyHeads => V.Tensor.Shape[2];
}
