using System.CommandLine;
using System.CommandLine.Parsing;
using DynConv.Cli.Display;
using DynConv.Models;
using DynConv.Models.Generation;
using DynConv.Models.Tokenizers;
using DynConv.Training;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;
using DynConv.Training.Runs.TensorBoard;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv train</c></summary>
internal static class TrainCommand
{
    private const string Help = """
        Trains a language model on text and puts it into a folder.

        Ctrl-C finishes the step, writes a checkpoint and says
        how to continue; a second one stops at once. With more
        --steps or --tokens, --resume goes on beyond the end.

        Example:
          dynconv train --data books/ notes.txt --out runs/books
          dynconv train --data books/ --out runs/plain --conv none --steps 1000
          dynconv train --out runs/books --resume
          dynconv train --out runs/books --resume --steps 20000
        """;

    public static Command Create(CliContext context)
    {
        var output = new Option<string>("--out") { Description = "The run's folder: new, empty or, with --resume, a run's.", Required = true, HelpName = "DIR" };
        var resume = new Option<bool>("--resume") { Description = "Continue the run in --out from its newest checkpoint." };
        var tensorBoard = new Option<bool>("--tensorboard") { Description = "Write a TensorBoard event file into the run's folder too." };
        Option<int?> threads = CommonOptions.Threads();
        TrainingOptions configuration = TrainingOptions.ForRun(context.Mixers);
        var command = new Command("train", Help) { output, resume, tensorBoard, threads };
        configuration.AddTo(command);
        command.SetAction(parsed =>
        {
            using IDisposable? limit = CommonOptions.LimitThreads(parsed.GetValue(threads));
            var place = new Place(parsed.GetValue(output)!, parsed.GetValue(tensorBoard));
            return parsed.GetValue(resume)
                ? Resume(context, parsed, configuration, place)
                : Start(context, WithDevice(context, parsed, configuration.Read(parsed)), place);
        });
        return command;
    }

    private static int Start(CliContext context, TrainingConfiguration configuration, Place place)
    {
        if (configuration.Data.Count == 0)
        {
            throw new UsageException("There is nothing to train on: give --data PATH.");
        }

        return Run(context, place, (observer, stop) => TrainingRun.Start(configuration, place.Folder, observer, stop));
    }

    /// <summary>Says why <c>auto</c> is not a GPU, as other commands do.</summary>
    private static TrainingConfiguration WithDevice(CliContext context, ParseResult parsed, TrainingConfiguration configuration)
    {
        bool asked = parsed.GetResult("--device") is OptionResult { Implicit: false };
        string? name = configuration.Device == "auto" && !asked ? null : configuration.Device;
        return configuration with { Device = CommonOptions.ResolveDevice(context, name).ToString() };
    }

    private static int Resume(CliContext context, ParseResult parsed, TrainingOptions options, Place place) =>
        Run(context, place, (observer, stop) => TrainingRun.Resume(
            place.Folder,
            observer,
            saved =>
            {
                TrainingConfiguration asked = options.Read(parsed, saved);

                // What a device computes in by itself goes with it.
                return asked.Device == saved.Device || asked.Dtype != saved.Dtype ? asked : asked with { Dtype = null };
            },
            stop));

    private static int Run(
        CliContext context, Place place, Func<ITrainingObserver, CancellationToken, TrainingResult> train)
    {
        string resume = $"dynconv train --out {Quote(place.Folder)} --resume{(place.TensorBoard ? " --tensorboard" : "")}";
        TrainingResult? result;
        using (TrainingDisplay display = TrainingDisplay.For(context))
        using (var interrupts = new Interrupts(context, display.OnStopping, $"; continue with: {resume}"))
        {
            using TensorBoardLog? events = place.TensorBoard ? new TensorBoardLog(place.Folder) : null;
            try
            {
                result = train(events is null ? display : new TrainingObservers(display, events), interrupts.Stop);
            }
            catch (OperationCanceledException) when (interrupts.Stop.IsCancellationRequested)
            {
                result = null;
            }
        }

        if (result is null)
        {
            string rest = RunRecord.IsRun(place.Folder) ? $"continue with: {resume}" : "nothing of it is kept";
            context.Error.WriteLine($"Stopped before the first step; {rest}");
            return Interrupts.ExitCode;
        }

        if (result.Interrupted)
        {
            string state = result.Checkpoint is null ? "before its first checkpoint" : $"with {result.Checkpoint} complete";
            context.Error.WriteLine($"Stopped after step {result.Steps}, {state}; continue with: {resume}");
            return Interrupts.ExitCode;
        }

        Summarize(context, result);
        return CommandLineApplication.Success;
    }

    /// <summary>A path as a shell reads it.</summary>
    private static string Quote(string path) => path.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '_' or '-')
        ? path
        : $"'{path.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static void Summarize(CliContext context, TrainingResult result)
    {
        context.Out.WriteLine();
        context.Out.WriteLine($"Sample (temperature 0.8, after \"{Sample(context, result, out string text)}\"):");
        context.Out.WriteLine(text);
        context.Out.WriteLine();
        context.Out.WriteLine($"Model    {result.Folder}");
        context.Out.WriteLine($"Metrics  {Path.Combine(result.Folder, "metrics.jsonl")}");
        context.Out.WriteLine($"Curve    {Path.Combine(result.Folder, "loss.svg")}");
        context.Out.WriteLine($"Time     {Durations.Format(result.Seconds)}");
        if (result.Device.IsCuda)
        {
            context.Out.WriteLine($"Memory   {result.PeakMemoryBytes / (double)(1 << 30):0.00} GiB at most on {CommonOptions.Describe(result.Device)}");
        }

        foreach ((string source, EvaluationResult validation) in result.SourceValidation)
        {
            context.Out.WriteLine($"{Printable.Text(source)}: {EvalCommand.ResultLine(validation)}");
        }

        context.Out.WriteLine(EvalCommand.ResultLine(result.Validation!));
    }

    private static string Sample(CliContext context, TrainingResult result, out string text)
    {
        const int SampleTokens = 200;
        ModelTokenizer loaded = ModelTokenizer.Load(result.Folder);
        ITokenizer tokenizer = loaded.Tokenizer;
        using LanguageModel model = ModelFolder.Load(result.Folder, result.Device, result.ComputeType, context.Mixers);
        int[] tokens = [.. TextGenerator.Generate(
            model, result.SamplePrompt, SampleTokens, new SamplingOptions { Temperature = 0.8 }, loaded.EndTokens, tokenizer.Contains)];
        text = Printable.Text(tokenizer.Decode(tokens));
        return Printable.Line(tokenizer.Decode([.. result.SamplePrompt.Where(id => tokenizer.ByteCount(id) > 0)]));
    }

    /// <summary>Where a run writes, and whether it writes for TensorBoard too.</summary>
    private sealed record Place(string Folder, bool TensorBoard);
}
