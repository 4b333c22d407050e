using DynConv.Models;
using DynConv.Training;

namespace DynConv.Experiments.Ablations;

/// <summary>One run of a grid.</summary>
/// <param name="Row">The row that it belongs to.</param>
/// <param name="Seed">Its seed.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Configuration">What it trains, the seed included.</param>
/// <param name="Model">The shape of its model.</param>
public sealed record AblationCell(
    AblationRow Row, ulong Seed, string Folder, TrainingConfiguration Configuration, ModelConfiguration Model)
{
    /// <summary>The row and the seed, as a person names the run.</summary>
    public string Name => $"{Row.Name}, seed {Seed}";
}
