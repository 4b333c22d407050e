namespace DynConv.Ops;

/// <summary>Settings of a step of <see cref="AdamW"/>; the defaults are PyTorch's.</summary>
public sealed record AdamWStepSettings
{
    /// <summary>Size of a step.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>How much of the first moment stays at each step, in [0, 1).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>How much of the second moment stays at each step, in [0, 1).</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the second moment; at least 0.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Each step takes this share, times the learning rate, off the parameter.</summary>
    public double WeightDecay { get; init; } = 0.01;
}
