using System.Text.Json.Nodes;

namespace DynConv.Experiments.Ablations;

/// <summary>A line of the table.</summary>
/// <param name="Name">The row's name.</param>
/// <param name="Settings">What tells it from the other rows.</param>
/// <param name="Parameters">Parameters of its model.</param>
/// <param name="Tokens">Tokens that each of its runs learns from.</param>
/// <param name="Seeds">Its runs.</param>
/// <param name="Loss">Validation loss over the seeds; null if no run is finished.</param>
/// <param name="Perplexity">Perplexity over the seeds; null if no run is finished.</param>
/// <param name="Difference">
/// Loss less the baseline's, seed by seed, over the seeds that both have finished; null if there is none.
/// </param>
public sealed record AblationTableRow(
    string Name,
    JsonObject Settings,
    long Parameters,
    long Tokens,
    IReadOnlyList<AblationSeed> Seeds,
    Spread? Loss,
    Spread? Perplexity,
    Spread? Difference);
