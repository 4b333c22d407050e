using DynConv.Experiments.Ablations;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;

namespace DynConv.Cli.Display;

/// <summary>Shows a person how a grid of runs is going.</summary>
internal abstract class AblationDisplay : IAblationObserver, IDisposable
{
    protected const string Stopping = "stopping after this step; once more to stop at once";

    /// <summary>A live display on a terminal, plain lines elsewhere.</summary>
    public static AblationDisplay For(CliContext context) =>
        context.IsInteractive ? new LiveAblationDisplay(context.Terminal) : new PlainAblationDisplay(context.Out);

    public abstract void OnRun(AblationCell cell, int number, int runs);

    public abstract void OnEncoding(long bytes, long totalBytes);

    public abstract void OnStep(StepMetrics step);

    public abstract void OnGridProgress(double secondsLeft);

    public abstract void OnRunEnd(AblationCell cell, AblationSeed result);

    /// <summary>The person has asked for an end; called on another thread than the rest.</summary>
    public abstract void OnStopping();

    public abstract void Dispose();

    public virtual void OnStart(RunStart start)
    {
    }

    public virtual void OnPreparing()
    {
    }

    public virtual void OnPrepared(int kernels, double seconds)
    {
    }

    public virtual void OnValidation(long step, EvaluationResult result)
    {
    }

    public virtual void OnCheckpoint(long step, string path)
    {
    }

    public abstract void OnNote(string note);

    /// <summary>A run in a line, when it is over.</summary>
    protected static string Line(AblationCell cell, AblationSeed result) => result.Error is { } error
        ? $"{cell.Name}: {error.ReplaceLineEndings(" ")}"
        : $"{cell.Name}: loss {result.Loss:0.0000}  ppl {result.Perplexity:0.000}  {result.TokensPerSecond:N0} tokens/s";
}
