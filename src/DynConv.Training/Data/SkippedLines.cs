namespace DynConv.Training.Data;

/// <summary>Lines, elements and rows that were left out because they hold no usable text.</summary>
/// <param name="Count">How many.</param>
/// <param name="First">Where the first one is and what was wrong with it, a sentence without its full stop.</param>
public sealed record SkippedLines(long Count, string First)
{
    /// <summary>All of it in a sentence.</summary>
    public string Describe() => Count == 1 ? $"1 bad line was skipped: {First}." : $"{Count:N0} bad lines were skipped, the first: {First}.";
}
