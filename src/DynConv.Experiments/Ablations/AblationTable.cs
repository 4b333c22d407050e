using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using DynConv.Models;
using DynConv.Serialization;
using DynConv.Training;

namespace DynConv.Experiments.Ablations;

/// <summary>The results of a grid: <c>ablation.json</c>.</summary>
/// <param name="Name">The grid's name.</param>
/// <param name="Baseline">The row that the others are compared with; null for no comparison.</param>
/// <param name="Rows">The rows in the grid's order.</param>
public sealed record AblationTable(string Name, string? Baseline, IReadOnlyList<AblationTableRow> Rows)
{
    /// <summary>Name of the file in the grid's folder.</summary>
    public const string FileName = "ablation.json";

    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Puts the runs of a grid together.</summary>
    /// <param name="grid">The grid.</param>
    /// <param name="cells">Its runs with what came of each.</param>
    internal static AblationTable Of(AblationGrid grid, IReadOnlyList<(AblationCell Cell, AblationSeed Result)> cells)
    {
        ILookup<string, AblationSeed> results = cells.ToLookup(run => run.Cell.Row.Name, run => run.Result);
        Dictionary<ulong, double> baseline = grid.Baseline is null ? [] : Losses(results[grid.Baseline]);
        return new AblationTable(grid.Name, grid.Baseline, [.. grid.Rows.Select(Row)]);

        AblationTableRow Row(AblationRow row)
        {
            AblationSeed[] seeds = [.. results[row.Name].OrderBy(seed => seed.Seed)];
            Dictionary<ulong, double> losses = Losses(seeds);
            AblationCell cell = cells.First(run => run.Cell.Row.Name == row.Name).Cell;
            TrainingConfiguration resolved = cell.Configuration.WithoutDevice().Resolve();
            return new AblationTableRow(
                row.Name,
                row.Settings,
                ParameterCounts.Of(cell.Model).Total,
                resolved.Steps!.Value * resolved.Batch!.Value * resolved.Context!.Value * resolved.Accumulate,
                seeds,
                Spread.Of(losses.Values),
                Spread.Of(losses.Values.Select(Math.Exp)),
                Spread.Of(losses.Where(pair => baseline.ContainsKey(pair.Key)).Select(pair => pair.Value - baseline[pair.Key])));
        }
    }

    /// <summary>The text of <c>ablation.json</c>.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Format) + "\n";

    /// <summary>Writes <c>ablation.json</c>; it is complete or as it was.</summary>
    /// <param name="folder">The grid's folder.</param>
    public void Write(string folder) => AtomicFile.WriteAllText(Path.Combine(folder, FileName), ToJson());

    /// <summary>Why runs have failed, as the file in a grid's folder says; nothing if there is none, or none that can be read.</summary>
    internal static IReadOnlyList<(string Row, ulong Seed, string Error)> ReadFailures(string folder)
    {
        try
        {
            AblationTable? table = JsonSerializer.Deserialize<AblationTable>(File.ReadAllBytes(Path.Combine(folder, FileName)), Format);
            return [.. (table?.Rows ?? []).OfType<AblationTableRow>()
                .SelectMany(row => (row.Seeds ?? []).OfType<AblationSeed>().Select(seed => (row.Name, seed.Seed, seed.Error)))
                .Where(one => one.Name is not null && one.Error is not null && !AblationSeed.IsUnfinished(one.Error))
                .Select(one => (one.Name, one.Seed, one.Error!))];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return [];
        }
    }

    private static Dictionary<ulong, double> Losses(IEnumerable<AblationSeed> seeds) =>
        seeds.Where(seed => seed.Loss is not null).ToDictionary(seed => seed.Seed, seed => seed.Loss!.Value);
}
