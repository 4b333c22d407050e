namespace DynConv.Ops;

/// <summary>What all work items of one backward pass share.</summary>
internal sealed unsafe class AttentionBackwardPass
{
    public required CpuHeads Q { get; init; }

    public required CpuHeads K { get; init; }

    public required CpuHeads V { get; init; }

    public required CpuHeads Upstream { get; init; }

    /// <summary><c>[B, H, T]</c>: the inner product of each result with its upstream gradient.</summary>
    public required float* InnerProducts { get; init; }

    /// <summary>As in <see cref="AttentionForwardPass.Statistics"/>.</summary>
    public required float* Statistics { get; init; }

    public required HeadGradient QGradient { get; init; }

    public required HeadGradient KGradient { get; init; }

    public required HeadGradient VGradient { get; init; }

    public required KeyRange Range { get; init; }

    public required float Scale { get; init; }

    public long Queries => Q.Tensor.Shape[1];

    public long QueryHeads => Q.Tensor.Shape[2];

    public long Keys => K.Tensor.Shape[1];

    public long KeyHeads => K.Tensor.Shape[2];
}
