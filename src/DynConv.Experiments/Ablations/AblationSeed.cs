namespace DynConv.Experiments.Ablations;

/// <summary>What came of one run of a grid.</summary>
/// <param name="Seed">Its seed.</param>
/// <param name="Run">Name of its folder inside the grid's.</param>
/// <param name="Loss">Validation loss of the finished model, in nats a token.</param>
/// <param name="Perplexity">e to the power of the loss.</param>
/// <param name="TokensPerSecond">Median speed of its steps.</param>
/// <param name="Error">Why there are no figures; null if there are.</param>
public sealed record AblationSeed(
    ulong Seed, string? Run, double? Loss, double? Perplexity, double? TokensPerSecond, string? Error)
{
    /// <summary>The <see cref="Error"/> of a run that has not begun.</summary>
    public const string NotRun = "not run yet";

    private const string NotFinished = "not finished: ";

    /// <summary>The <see cref="Error"/> of a run that has begun and not failed.</summary>
    internal static string Unfinished(long step, long? steps) => $"{NotFinished}step {step} of {steps}";

    /// <summary>Whether an error says how far a run is, and not why it has failed.</summary>
    internal static bool IsUnfinished(string error) => error == NotRun || error.StartsWith(NotFinished, StringComparison.Ordinal);
}
