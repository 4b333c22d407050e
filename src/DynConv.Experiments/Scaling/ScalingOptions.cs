namespace DynConv.Experiments.Scaling;

/// <summary>How scaling laws are fitted.</summary>
public sealed record ScalingOptions
{
    /// <summary>Name of the architecture that the others are compared with.</summary>
    public string Baseline { get; init; } = "none";

    /// <summary>Whether all architectures have one E.</summary>
    public bool SharedFloor { get; init; }

    /// <summary>Compute of the baseline at which advantages are stated; null for the most at which both have runs.</summary>
    public double? AtFlops { get; init; }

    /// <summary>Resamples of the bootstrap.</summary>
    public int Resamples { get; init; } = 1000;

    /// <summary>Decides the resamples.</summary>
    public ulong Seed { get; init; }
}
