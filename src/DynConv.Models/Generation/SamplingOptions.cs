namespace DynConv.Models.Generation;

/// <summary>
/// How the next token is chosen from the model's scores. What is set works in this order: the repetition penalty, the
/// temperature, top-k, top-p, min-p.
/// </summary>
public sealed record SamplingOptions
{
    /// <summary>
    /// Divides the scores: below 1 likely tokens become likelier still, above 1 the text more varied, 0 always takes the
    /// likeliest token.
    /// </summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Only this many of the likeliest tokens can be chosen; 0 for no limit.</summary>
    public int TopK { get; init; }

    /// <summary>Only the likeliest tokens that together reach this probability can be chosen; 1 for no limit.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens at least this share as probable as the likeliest one can be chosen; 0 for no limit.</summary>
    public double MinP { get; init; }

    /// <summary>
    /// Makes tokens that are there already, in the prompt or after it, less likely: divides their scores above 0, multiplies
    /// those below. 1 for no change; below 1 repetition is encouraged.
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>The same seed gives the same text.</summary>
    public ulong Seed { get; init; }

    /// <summary>Throws <see cref="DynConvException"/> with one sentence if a number is out of range.</summary>
    /// <returns>These options.</returns>
    public SamplingOptions Validate() =>
        Temperature is not (>= 0 and < double.PositiveInfinity) ? throw new DynConvException($"The temperature is {Temperature}; it has to be 0 or more.")
        : TopK < 0 ? throw new DynConvException($"top-k is {TopK}; it has to be 0 (no limit) or more.")
        : TopP is not (> 0 and <= 1) ? throw new DynConvException($"top-p is {TopP}; it has to be above 0 and at most 1.")
        : MinP is not (>= 0 and <= 1) ? throw new DynConvException($"min-p is {MinP}; it has to be from 0 (no limit) to 1.")
        : RepetitionPenalty is not (> 0 and < double.PositiveInfinity) ? throw new DynConvException($"The repetition penalty is {RepetitionPenalty}; it has to be above 0, and 1 changes nothing.")
        : this;
}
