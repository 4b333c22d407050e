using System.CommandLine;
using DynConv.Serialization;
using DynConv.Training;
using DynConv.Training.Runs;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv plot</c></summary>
internal static class PlotCommand
{
    private const string Help = """
        Draws the validation losses of runs into one picture.

        A run without validations shows its training loss. Runs
        with different tokenizers compare in bits a byte alone.

        Example:
          dynconv plot runs/plain runs/lowrank --out loss.svg
        """;

    public static Command Create(CliContext context)
    {
        var runs = new Argument<string[]>("DIR") { Description = "Folders of runs.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out") { Description = "The SVG to write.", Required = true, HelpName = "FILE" };
        var title = new Option<string>("--title") { Description = "What stands above.", HelpName = "TEXT", DefaultValueFactory = static _ => "Validation loss" };
        var bits = new Option<bool>("--bits-per-byte") { Description = "Draw bits a byte of text instead of nats a token." };
        var command = new Command("plot", Help) { runs, output, title, bits };
        command.SetAction(parsed =>
        {
            string[] folders = parsed.GetValue(runs)!;
            bool inBits = parsed.GetValue(bits);
            LossCurve[] curves = [.. folders.Select(folder => Curve(folder, inBits, context))];
            string[] tokenizers = [.. folders.DistinctBy(RunTokenizer.Identity).Select(Tokenizer).OfType<string>()];
            if (tokenizers.Length > 1 && !inBits)
            {
                context.Error.WriteLine($"note: these runs have different tokenizers ({string.Join(", ", tokenizers)}), so their losses a token do not compare; --bits-per-byte does");
            }

            string path = parsed.GetValue(output)!;
            AtomicFile.WriteAllText(path, LossChart.Draw(parsed.GetValue(title)!, curves, inBits ? "loss (bits a byte)" : LossChart.NatsPerToken));
            context.Out.WriteLine(path);
            return CommandLineApplication.Success;
        });
        return command;
    }

    private static LossCurve Curve(string folder, bool inBits, CliContext context)
    {
        RunCurves run = RunCurves.Read(folder);
        if (run.LeftOut is { } leftOut)
        {
            context.Error.WriteLine($"note: {leftOut}");
        }

        double unit = !inBits ? 1 : run.BitsPerNat
            ?? throw new DynConvException($"{folder} has no validation yet, which says how many bytes a token has; leave out --bits-per-byte.");
        IReadOnlyList<(double Step, double Loss)> points = run.Validation.Count > 0 ? run.Validation : run.Training;
        return points.Count > 0
            ? new LossCurve(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))), [.. points.Select(point => (point.Step, point.Loss * unit))])
            : throw new DynConvException($"{folder} has no step yet.");
    }

    private static string? Tokenizer(string folder) =>
        Path.Combine(folder, RunFile.Name) is var path && File.Exists(path) ? RunFile.Read(path).Tokenizer : null;
}
