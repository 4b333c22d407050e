namespace DynConv.Models.Generation;

/// <summary>How the next token is chosen from the model's scores.</summary>
public sealed record SamplingOptions
{
    /// <summary>Divides the scores: below 1 bolder, above 1 more varied, 0 always the likeliest token.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Only this many of the likeliest tokens can be chosen; 0 for no limit.</summary>
    public int TopK { get; init; }

    /// <summary>Only the likeliest tokens that together reach this probability can be chosen; 1 for no limit.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>The same seed gives the same text.</summary>
    public ulong Seed { get; init; }

    /// <summary>Throws <see cref="DynConvException"/> with one sentence if a number is out of range.</summary>
    /// <returns>These options.</returns>
    public SamplingOptions Validate() =>
        Temperature is not (>= 0 and < double.PositiveInfinity) ? throw new DynConvException($"The temperature is {Temperature}; it has to be 0 or more.")
        : TopK < 0 ? throw new DynConvException($"top-k is {TopK}; it has to be 0 (no limit) or more.")
        : TopP is not (> 0 and <= 1) ? throw new DynConvException($"top-p is {TopP}; it has to be above 0 and at most 1.")
        : this;
}
