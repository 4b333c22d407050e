using DynConv.Training.Data;

namespace DynConv.Training.Runs;

/// <summary>Which settings of a run may change when it is resumed; all others decide what it has computed so far.</summary>
public static class ResumeRules
{
    /// <summary>
    /// Settings that may change, as <c>run.yaml</c> calls them. Text, tokenizer and first model may lie elsewhere, as long as
    /// they are the same, in the same shares; the length may be another, and the learning rate then follows the schedule of that length.
    /// </summary>
    public static IReadOnlyList<string> MayChange { get; } =
    [
        "steps", "tokens", "validate_every", "validation_tokens", "checkpoint_every", "keep_checkpoints", "keep_best", "recompute",
        "device", "dtype", "data", "valid", "tokenizer", "init",
    ];

    /// <summary>The first setting that differs and may not; null if there is none.</summary>
    /// <param name="before">What the run was told to do.</param>
    /// <param name="now">What it is told now.</param>
    internal static SettingDifference? Difference(TrainingConfiguration before, TrainingConfiguration now)
    {
        bool sameShares = WeightedPath.ParseAll(before.Data).Select(static path => path.Weight)
            .SequenceEqual(WeightedPath.ParseAll(now.Data).Select(static path => path.Weight));
        return RunFile.Differences((before.WithoutDevice() with { Mixers = now.Mixers }).Resolve(), now.WithoutDevice().Resolve())
            .FirstOrDefault(difference => !MayChange.Contains(difference.Setting) || (difference.Setting == "data" && !sameShares));
    }
}
