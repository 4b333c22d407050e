namespace DynConv.Ops;

/// <summary>Settings of a step of <see cref="Muon"/>.</summary>
public sealed record MuonStepSettings
{
    /// <summary>Size of a step, as AdamW takes it.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>How much of the momentum stays at each step, in [0, 1).</summary>
    public double Momentum { get; init; } = 0.95;

    /// <summary>Steps of the Newton-Schulz iteration; at least 1.</summary>
    public int NewtonSchulzSteps { get; init; } = 5;

    /// <summary>Each step takes this share, times the learning rate, off the parameter.</summary>
    public double WeightDecay { get; init; } = 0.1;
}
