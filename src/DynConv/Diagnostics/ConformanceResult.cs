namespace DynConv.Diagnostics;

/// <summary>How a vector compares.</summary>
public enum ConformanceOutcome
{
    /// <summary>Every tensor is within its limit.</summary>
    Passed,

    /// <summary>A tensor is not.</summary>
    Failed,

    /// <summary>The vector is of an op that is not here; nothing was compared.</summary>
    Skipped,
}

/// <summary>What came of one vector file or model folder.</summary>
/// <param name="Name">The vector's name.</param>
/// <param name="Outcome">How it compares.</param>
/// <param name="LargestError">
/// Largest of <c>max|got - want| / max|want|</c> over its tensors, over those outside of their limits if there are such. What is
/// wanted of bfloat16 is what float32 computes from inputs that are rounded to bfloat16, with the results of ops rounded too.
/// </param>
/// <param name="Detail">The tensor with that error, or why the vector was skipped.</param>
public sealed record ConformanceResult(string Name, ConformanceOutcome Outcome, double LargestError, string Detail)
{
    /// <summary>
    /// For bfloat16: how far rounding alone moves the vector, the largest of the same measure between it and float32 with inputs and
    /// results of ops rounded to bfloat16; null for float32.
    /// </summary>
    public double? RoundingShift { get; init; }

    internal static ConformanceResult Skipped(string name, string why) => new(name, ConformanceOutcome.Skipped, 0, why);
}
