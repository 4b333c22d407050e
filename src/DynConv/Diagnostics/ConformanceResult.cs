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
/// <param name="LargestError">Largest of <c>max|got - want| / max|want|</c> over its tensors.</param>
/// <param name="Detail">The tensor with that error, or why the vector was skipped.</param>
public sealed record ConformanceResult(string Name, ConformanceOutcome Outcome, double LargestError, string Detail)
{
    internal static ConformanceResult Skipped(string name, string why) => new(name, ConformanceOutcome.Skipped, 0, why);
}
