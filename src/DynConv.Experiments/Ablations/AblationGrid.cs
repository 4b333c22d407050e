using DynConv.Training;

namespace DynConv.Experiments.Ablations;

/// <summary>A set of configurations over the same text, each run with the same seeds.</summary>
/// <param name="Name">What stands above the table.</param>
/// <param name="Baseline">Name of the row that the others are compared with; null for no comparison.</param>
/// <param name="Seeds">Seeds of each row.</param>
/// <param name="Rows">The rows, in the order of the table.</param>
public sealed record AblationGrid(string Name, string? Baseline, IReadOnlyList<ulong> Seeds, IReadOnlyList<AblationRow> Rows)
{
    /// <summary>The same grid with something changed in every configuration, as where the text lies.</summary>
    /// <param name="change">Changes one configuration.</param>
    public AblationGrid With(Func<TrainingConfiguration, TrainingConfiguration> change) =>
        this with { Rows = [.. Rows.Select(row => row with { Configuration = change(row.Configuration) })] };
}
