using System.CommandLine;
using DynConv.Serialization;
using DynConv.Training.Runs;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv plot</c></summary>
internal static class PlotCommand
{
    private const string Help = """
        Draws the validation losses of runs into one picture.

        A run without validations shows its training loss.

        Example:
          dynconv plot runs/plain runs/lowrank --out loss.svg
        """;

    public static Command Create(CliContext context)
    {
        var runs = new Argument<string[]>("DIR") { Description = "Folders of runs.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out") { Description = "The SVG to write.", Required = true, HelpName = "FILE" };
        var title = new Option<string>("--title") { Description = "What stands above.", HelpName = "TEXT", DefaultValueFactory = static _ => "Validation loss" };
        var command = new Command("plot", Help) { runs, output, title };
        command.SetAction(parsed =>
        {
            LossCurve[] curves = [.. parsed.GetValue(runs)!.Select(Curve)];
            string path = parsed.GetValue(output)!;
            AtomicFile.WriteAllText(path, LossChart.Draw(parsed.GetValue(title)!, curves));
            context.Out.WriteLine(path);
            return CommandLineApplication.Success;
        });
        return command;
    }

    private static LossCurve Curve(string folder)
    {
        RunCurves run = RunCurves.Read(folder);
        IReadOnlyList<(double Step, double Loss)> points = run.Validation.Count > 0 ? run.Validation : run.Training;
        return points.Count > 0
            ? new LossCurve(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))), points)
            : throw new DynConvException($"{folder} has no step yet.");
    }
}
