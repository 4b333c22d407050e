using System.Globalization;
using DynConv.Training;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;

namespace DynConv.Cli.Display;

/// <summary>Shows a person how a run is going.</summary>
internal abstract class TrainingDisplay : ITrainingObserver, IDisposable
{
    protected const string Stopping = "stopping after this step; once more to stop at once";
    /// <summary>Up to four passes, repeated text is about as good as new text (Muennighoff et al., 2023).</summary>
    private const int ManyEpochs = 4;

    protected const string Preparing = "compiling kernels …";

    /// <summary>A live display on a terminal, plain lines elsewhere.</summary>
    public static TrainingDisplay For(CliContext context) =>
        context.IsInteractive ? new LiveTrainingDisplay(context.Terminal) : new PlainTrainingDisplay(context.Out);

    public abstract void OnEncoding(long bytes, long totalBytes);

    public abstract void OnStart(RunStart start);

    public abstract void OnPreparing();

    public abstract void OnPrepared(int kernels, double seconds);

    public abstract void OnStep(StepMetrics step);

    public abstract void OnValidating(long step, EvaluationProgress progress, double secondsLeft);

    public abstract void OnValidation(long step, EvaluationResult result);

    public abstract void OnCheckpoint(long step, string path);

    public abstract void OnNote(string note);

    /// <summary>The person has asked for an end; called on another thread than the rest.</summary>
    public abstract void OnStopping();

    public abstract void Dispose();

    /// <summary>What a run is about to do, in two lines.</summary>
    protected static (string Model, string Data) Describe(RunStart start)
    {
        TrainingConfiguration c = start.Configuration;
        string[] kinds = [.. start.Model.Convolutions.GroupBy(placed => placed.Convolution, placed => placed.Layer)
            .Select(group => group.Key.Describe(group.Distinct()))];
        string convolutions = kinds.Length == 0 ? "no convolutions" : string.Join("; ", kinds);
        string mixers = c.Model.SequenceMixers is { } pattern ? $" of {pattern}" : "";
        string model = $"{c.ModelName()}: {start.Model.Layers.Count} layers{mixers}, {start.Model.HiddenSize} channels, {start.Parameters:N0} parameters, {convolutions}";
        string data = $"{start.TrainTokens:N0} tokens to train on{Epochs(start.Sources)}, {start.ValidTokens:N0} to validate on; {c.Steps:N0} steps of {c.Batch * c.Accumulate} x {c.Context} tokens{(c.Pack ? ", documents packed," : "")} on {Place(start)}";
        return (model, data);
    }

    /// <summary>The sources of a mixture, and what should not go unnoticed of the text.</summary>
    protected static IEnumerable<string> DescribeData(RunStart start)
    {
        if (start.Sources.Count > 1)
        {
            foreach (RunSource source in start.Sources)
            {
                yield return string.Create(
                    CultureInfo.InvariantCulture,
                    $"{source.Name}: {source.Share:0.##%} of the samples, {source.Tokens:N0} tokens, {Times(source.Epochs)}");
            }
        }

        foreach (RunSource source in start.Sources.Where(static source => source.Epochs > ManyEpochs))
        {
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"warning: the run goes through {source.Name} {source.Epochs:0.#} times; beyond about {ManyEpochs} the same text teaches less and less, and more text or fewer steps do better");
        }

        foreach (string note in start.Notes)
        {
            yield return $"note: {note}";
        }
    }

    private static string Epochs(IReadOnlyList<RunSource> sources) => sources is [{ } only] ? $" ({Times(only.Epochs)})" : "";

    private static string Times(double epochs) =>
        string.Create(CultureInfo.InvariantCulture, $"{(epochs < 0.095 ? $"{epochs:0.###}" : $"{epochs:0.#}")} epochs");

    /// <summary>What a run that does not begin with the first step is to be told of; empty for others.</summary>
    protected static string Continuing(RunStart start) => start.FirstStep switch
    {
        1 => "",
        long next when next > start.Configuration.Steps => $"all {start.Configuration.Steps:N0} steps are done; to train on, give --steps or --tokens with more",
        long next => $"continuing with step {next:N0}",
    };

    /// <summary>Tokens a second and, where the device's peak is known, what of it they come to.</summary>
    protected static string Speed(StepMetrics step) => string.Create(
        CultureInfo.InvariantCulture,
        $"{step.TokensPerSecond:N0} tokens/s{(step.Utilization is { } utilization ? $", {100 * utilization:0.0}% MFU" : "")}");

    /// <summary>What became of <see cref="Preparing"/>.</summary>
    protected static string Prepared(int kernels, double seconds) =>
        string.Create(CultureInfo.InvariantCulture, $"compiling kernels: {kernels} in {seconds:0.0} s");

    private static string Place(RunStart start) => start.Device.IsCuda
        ? $"{start.Device} ({start.Device.Name}) in {start.ComputeType.Name()}"
        : $"{start.Device}";
}
