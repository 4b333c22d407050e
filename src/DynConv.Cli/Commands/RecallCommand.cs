using System.CommandLine;
using DynConv.Cli.Display;
using DynConv.Experiments.Recall;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv recall</c></summary>
internal static class RecallCommand
{
    private const int Examples = 3;

    private static readonly string Help = $"""
        Trains small Transformers to recall what belongs to a key, and compares the kinds of convolutions.

        Each kind makes the same number of steps, with the learning rate
        that serves it best, and is measured on sequences that no training
        has seen. The tasks:
        {string.Join('\n', RecallTasks.All.Select(task => $"  {task.Name,-14}{task.Summary}"))}
        Ctrl-C keeps the tasks that are finished.

        Example:
          dynconv recall --out runs/recall
          dynconv recall --task mixed-recall --conv static,lowrank --pairs 4,8,16 --steps 4000
        """;

    public static Command Create(CliContext context)
    {
        var defaults = new RecallSettings();
        Option<string[]> tasks = CommonOptions.Choices("--task", "The tasks; all if not given.", [.. RecallTasks.All.Select(task => task.Name)]);
        Option<string[]> convs = CommonOptions.Choices("--conv", "The kinds to compare; all if not given.", [.. RecallSettings.Kinds]);
        Option<int[]> pairs = CommonOptions.Numbers<int>("--pairs", $"Numbers of pairs to train with and to measure. Default {string.Join(',', defaults.Pairs)}.", least: 1);
        Option<int?> seeds = CommonOptions.Number<int>("--seeds", $"How often each kind is trained. Default {defaults.Seeds}.", least: 1);
        Option<int?> steps = CommonOptions.Number<int>("--steps", $"Steps of each training. Default {defaults.Steps}.", least: 1);
        Option<double[]> rates = CommonOptions.Numbers<double>("--lr", $"Learning rates to choose from. Default {string.Join(',', defaults.LearningRates)}.", value: "X,X…");
        Option<int?> layers = CommonOptions.Number<int>("--layers", $"Blocks of the Transformer. Default {defaults.Model.Layers}.", least: 1);
        Option<int?> channels = CommonOptions.Number<int>("--channels", $"Its channels. Default {defaults.Model.Channels}.", least: 1);
        Option<int?> heads = CommonOptions.Number<int>("--heads", $"Its attention heads. Default {defaults.Model.Heads}.", least: 1);
        Option<int?> threads = CommonOptions.Threads();
        Option<string?> device = CommonOptions.Device();
        var output = new Option<string?>("--out") { Description = $"A folder for {RecallFolder.ResultsName} and {RecallFolder.ChartName}.", HelpName = "DIR" };
        var command = new Command("recall", Help) { tasks, convs, pairs, seeds, steps, rates, layers, channels, heads, threads, device, output };
        command.SetAction(parsed =>
        {
            using IDisposable? limit = CommonOptions.LimitThreads(parsed.GetValue(threads));
            return Run(context, CommonOptions.ResolveDevice(context, parsed.GetValue(device)), parsed.GetValue(output), new RecallSettings
            {
                Tasks = parsed.GetValue(tasks) is { Length: > 0 } names ? [.. names.Select(RecallTasks.Get)] : defaults.Tasks,
                Convolutions = parsed.GetValue(convs) is { Length: > 0 } kinds ? kinds : defaults.Convolutions,
                Pairs = parsed.GetValue(pairs) is { Length: > 0 } counts ? counts : defaults.Pairs,
                Seeds = parsed.GetValue(seeds) ?? defaults.Seeds,
                Steps = parsed.GetValue(steps) ?? defaults.Steps,
                LearningRates = parsed.GetValue(rates) is { Length: > 0 } given ? given : defaults.LearningRates,
                Model = defaults.Model with
                {
                    Layers = parsed.GetValue(layers) ?? defaults.Model.Layers,
                    Channels = parsed.GetValue(channels) ?? defaults.Model.Channels,
                    Heads = parsed.GetValue(heads) ?? defaults.Model.Heads,
                },
            }.Validate());
        });
        return command;
    }

    private static int Run(CliContext context, Device device, string? output, RecallSettings settings)
    {
        using RecallFolder? folder = output is null ? null : RecallFolder.Claim(output);
        using var interrupts = new Interrupts(context);
        var report = new RecallReport(context);
        report.Begin(settings, CommonOptions.Describe(device));
        foreach (IRecallTask task in settings.Tasks)
        {
            report.Examples(task, RecallExamples.Lines(task, settings.Pairs.Min(), Examples));
        }

        var results = new List<RecallResult>();
        try
        {
            foreach (IRecallTask task in settings.Tasks)
            {
                using (RecallDisplay display = RecallDisplay.For(context, settings))
                {
                    results.Add(RecallExperiment.Run(settings, task, device, display, interrupts.Stop));
                }

                report.Task(results[^1]);
                folder?.Write(results);
            }
        }
        catch (OperationCanceledException)
        {
            string kept = folder is null || results.Count == 0 ? "" : $"; {folder.Results} has what is finished";
            context.Error.WriteLine($"Stopped after {results.Count} of {settings.Tasks.Count} tasks{kept}");
            return Interrupts.ExitCode;
        }

        report.End(results, folder);
        return CommandLineApplication.Success;
    }
}
