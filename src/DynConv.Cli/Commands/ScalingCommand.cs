using System.CommandLine;
using DynConv.Cli.Display;
using DynConv.Experiments.Scaling;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv scaling</c></summary>
internal static class ScalingCommand
{
    private const string Help = """
        Fits loss against compute and compares architectures.

        Fits L = E + A·C^-α to the finished runs of each kind of
        convolution, in at least four sizes, and says how many
        times less compute than the baseline it takes to the same
        loss. Intervals hold 95% of a bootstrap over the runs.

        Example:
          dynconv ablate --config configs/scaling-cpu.yaml --data books/ --out runs/scaling
          dynconv scaling --runs runs/scaling --shared-floor --out runs/scaling/scaling.json
        """;

    public static Command Create(CliContext context)
    {
        var runs = new Option<string[]>("--runs")
        {
            Description = "Folders of runs, or folders that hold such folders.",
            Required = true,
            HelpName = "DIR",
            AllowMultipleArgumentsPerToken = true,
        };
        var output = new Option<string?>("--out") { Description = "Also write the fit as JSON.", HelpName = "FILE" };
        var baseline = new Option<string>("--baseline") { Description = "The architecture to compare with.", HelpName = "NAME", DefaultValueFactory = static _ => "none" };
        var shared = new Option<bool>("--shared-floor") { Description = "One E for all architectures." };
        Option<double?> at = CommonOptions.Number<double>("--at", "Compute of the baseline at which to compare. Default the most at which both have runs.", value: "FLOPS");
        Option<int?> resamples = CommonOptions.Number<int>("--resamples", "Resamples of the bootstrap. Default 1000.", least: 10);
        var command = new Command("scaling", Help) { runs, output, baseline, shared, at, resamples };
        command.SetAction(parsed =>
        {
            string? path = parsed.GetValue(output);
            if (path is not null)
            {
                CommonOptions.CheckWritable(path);
            }

            var options = new ScalingOptions
            {
                Baseline = parsed.GetValue(baseline)!,
                SharedFloor = parsed.GetValue(shared),
                AtFlops = parsed.GetValue(at),
            };
            options = options with { Resamples = parsed.GetValue(resamples) ?? options.Resamples };
            ScalingResult result = ScalingFit.Fit(ScalingRuns.Read(parsed.GetValue(runs)!, context.Mixers), options);
            Report(context.Out, result);
            if (path is not null)
            {
                result.Write(path);
            }

            return CommandLineApplication.Success;
        });
        return command;
    }

    private static void Report(TextWriter output, ScalingResult result)
    {
        output.WriteLine($"{ScalingResult.Form}, {(result.SharedFloor ? "one E for all" : "E of each by itself")}, C in operations; 95% intervals");
        var table = new TextTable();
        table.Add(["architecture", "runs", "from", "to", "E", "A", "α"]);
        foreach (ScalingCurve curve in result.Curves)
        {
            table.Add([
                curve.Name,
                $"{curve.Points.Count}",
                $"{curve.Points[0].Flops:0.00e+0}",
                $"{curve.Points[^1].Flops:0.00e+0}",
                $"{curve.Law.E:0.000} ({curve.E.Low:0.000} to {curve.E.High:0.000})",
                $"{curve.Law.A:0.00e+0} ({curve.A.Low:0.00e+0} to {curve.A.High:0.00e+0})",
                $"{curve.Law.Alpha:0.000} ({curve.Alpha.Low:0.000} to {curve.Alpha.High:0.000})",
            ]);
        }

        table.Write(output);
        foreach (ScalingAdvantage advantage in result.Advantages)
        {
            output.WriteLine(
                $"{advantage.Architecture}: {result.Baseline} takes {advantage.Factor:0.00} times its compute ({advantage.Interval.Low:0.00} to {advantage.Interval.High:0.00}) to loss {advantage.Loss:0.000}, {advantage.AtFlops:0.00e+0} operations");
        }
    }
}
