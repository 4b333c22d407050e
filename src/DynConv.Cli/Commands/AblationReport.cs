using System.Globalization;
using DynConv.Cli.Display;
using DynConv.Experiments.Ablations;

namespace DynConv.Cli.Commands;

/// <summary>Prints an <see cref="AblationTable"/> as a table that Markdown reads too.</summary>
internal static class AblationReport
{
    private const string Nothing = "";

    public static void Write(TextWriter output, AblationTable table)
    {
        bool differences = table.Baseline is not null;
        bool spread = table.Rows.Any(row => row.Seeds.Count > 1);
        bool budgets = table.Rows.Select(row => row.Tokens).Distinct().Count() > 1;
        var lines = new TextTable();
        lines.Add([
            table.Name,
            "parameters",
            .. budgets ? ["tokens"] : (string[])[],
            "loss",
            .. spread ? ["least to most"] : (string[])[],
            "perplexity",
            .. differences ? [$"less {table.Baseline}"] : (string[])[],
            .. differences && spread ? ["least to most"] : (string[])[],
            "tokens/s",
            .. spread ? ["seeds"] : (string[])[],
        ]);
        foreach (AblationTableRow row in table.Rows)
        {
            Spread? difference = row.Name == table.Baseline ? null : row.Difference;
            double[] speeds = [.. row.Seeds.Where(seed => seed.TokensPerSecond is not null).Select(seed => seed.TokensPerSecond!.Value)];
            lines.Add([
                row.Name,
                row.Parameters.ToString("N0", CultureInfo.InvariantCulture),
                .. budgets ? [row.Tokens.ToString("N0", CultureInfo.InvariantCulture)] : (string[])[],
                Number(row.Loss?.Mean, "0.0000"),
                .. spread ? [Range(row.Loss, "0.0000")] : (string[])[],
                Number(row.Perplexity?.Mean, "0.000"),
                .. differences ? [Number(difference?.Mean, Signed)] : (string[])[],
                .. differences && spread ? [Range(difference, Signed)] : (string[])[],
                speeds.Length == 0 ? Nothing : speeds.Average().ToString("N0", CultureInfo.InvariantCulture),
                .. spread ? [$"{speeds.Length}/{row.Seeds.Count}"] : (string[])[],
            ]);
        }

        output.WriteLine();
        lines.Write(output);
        WriteErrors(output, table);
    }

    private static void WriteErrors(TextWriter output, AblationTable table)
    {
        var errors = table.Rows.SelectMany(row => row.Seeds.Where(seed => seed.Error is not null).Select(seed => (row.Name, seed))).ToList();
        int waiting = errors.RemoveAll(one => one.seed.Error == AblationSeed.NotRun);
        if (waiting > 0)
        {
            output.WriteLine($"{waiting} of {table.Rows.Sum(row => row.Seeds.Count)} runs have not begun.");
        }

        foreach ((string name, AblationSeed seed) in errors)
        {
            output.WriteLine($"{name}, seed {seed.Seed}: {seed.Error!.ReplaceLineEndings(" ")}");
        }
    }

    private const string Signed = "+0.0000;-0.0000;0.0000";

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? Nothing;

    private static string Range(Spread? spread, string format) =>
        spread is null ? Nothing : $"{Number(spread.Min, format)} to {Number(spread.Max, format)}";
}
