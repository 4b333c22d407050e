using System.CommandLine;
using DynConv.Cli.Display;
using DynConv.Experiments.Ablations;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv ablate</c></summary>
internal static class AblateCommand
{
    private const string Help = """
        Trains a grid of models on the same text and compares them.

        Run again with the same --out, it goes on where it was:
        finished runs stay, an interrupted one is resumed, one
        that failed is tried again. Ctrl-C finishes the step and
        writes a checkpoint. configs/ holds the grids of the
        paper's tables.

        Example:
          dynconv ablate --config configs/placement-cpu.yaml --data books/ --out runs/placement
          dynconv ablate --config configs/placement-cpu.yaml --out runs/placement --table
        """;

    public static Command Create(CliContext context)
    {
        var file = new Option<string>("--config") { Description = "The grid: base, rows or grid, seeds, baseline.", Required = true, HelpName = "F.yaml" };
        var output = new Option<string>("--out") { Description = "The grid's folder, with one folder a run and ablation.json.", Required = true, HelpName = "DIR" };
        var table = new Option<bool>("--table") { Description = "Show the table of what is finished, and run nothing." };
        Option<string[]> data = Paths("--data", "Files and folders to train on, instead of the grid's.");
        Option<string[]> valid = Paths("--valid", "Files and folders to validate on, instead of the grid's.");
        var tokenizer = new Option<string?>("--tokenizer") { Description = "The tokenizer, instead of the grid's.", HelpName = "T" };
        var init = new Option<string?>("--init") { Description = "The folder of a model that all runs start from, instead of the grid's.", HelpName = "DIR" };
        Option<int?> seeds = CommonOptions.Number<int>("--seeds", "How many seeds, from 0, instead of the grid's.", least: 1);
        Option<string?> device = CommonOptions.Device();
        Option<string> dtype = CommonOptions.ComputeType();
        Option<int?> threads = CommonOptions.Threads();
        var command = new Command("ablate", Help) { file, output, table, data, valid, tokenizer, init, seeds, device, dtype, threads };
        command.SetAction(parsed =>
        {
            using IDisposable? limit = CommonOptions.LimitThreads(parsed.GetValue(threads));
            AblationGrid grid = AblationFile.Read(parsed.GetValue(file)!, context.Mixers).With(configuration => configuration with
            {
                Data = Given(parsed, data) ?? configuration.Data,
                Valid = Given(parsed, valid) ?? configuration.Valid,
                Tokenizer = parsed.GetValue(tokenizer) ?? configuration.Tokenizer,
                Init = parsed.GetValue(init) ?? configuration.Init,
                Device = parsed.GetValue(device) ?? configuration.Device,
                Dtype = parsed.GetValue(dtype) ?? configuration.Dtype,
            });
            if (parsed.GetValue(seeds) is { } count)
            {
                grid = grid with { Seeds = [.. Enumerable.Range(0, count).Select(seed => (ulong)seed)] };
            }

            string folder = parsed.GetValue(output)!;
            var run = new AblationRun(grid, folder);
            return parsed.GetValue(table) ? Table(context, run) : Run(context, run);
        });
        return command;
    }

    private static Option<string[]> Paths(string name, string description) =>
        new(name) { Description = description, HelpName = "PATH", AllowMultipleArgumentsPerToken = true };

    private static string[]? Given(ParseResult parsed, Option<string[]> option) =>
        parsed.GetResult(option) is { Implicit: false } ? parsed.GetValue(option) : null;

    private static int Table(CliContext context, AblationRun run)
    {
        AblationReport.Write(context.Out, run.Table());
        return CommandLineApplication.Success;
    }

    private static int Run(CliContext context, AblationRun run)
    {
        AblationTable table;
        bool stopped;
        using (AblationDisplay display = AblationDisplay.For(context))
        using (var interrupts = new Interrupts(context, display.OnStopping, "; the same command goes on"))
        {
            table = run.Run(display, interrupts.Stop);
            stopped = interrupts.Stop.IsCancellationRequested;
        }

        AblationReport.Write(context.Out, table);
        AblationSeed[] seeds = [.. table.Rows.SelectMany(row => row.Seeds)];
        int missing = seeds.Count(seed => seed.Error is not null);
        if (missing == 0)
        {
            return CommandLineApplication.Success;
        }

        if (stopped)
        {
            context.Error.WriteLine($"Stopped with {seeds.Length - missing} of {seeds.Length} runs finished; the same command goes on.");
            return Interrupts.ExitCode;
        }

        context.Error.WriteLine($"error: {missing} of {seeds.Length} runs failed, as the table says; the same command tries them again.");
        return CommandLineApplication.Failure;
    }
}
