using DynConv.Models;
using DynConv.Optimizers;
using DynConv.Training.Evaluation;

namespace DynConv.Training.Runs;

/// <summary>
/// The course of a run from where it stands to its end: steps, validations and checkpoints, and what of them is on the
/// disk before what else.
/// </summary>
/// <param name="configuration">Resolved.</param>
/// <param name="folder">The run's.</param>
/// <param name="observer">Hears of the progress.</param>
/// <param name="from">Where the run stands; null at its beginning.</param>
internal sealed class RunCourse(
    TrainingConfiguration configuration, string folder, ITrainingObserver observer, RunState? from)
{
    private readonly long _steps = configuration.Steps!.Value;
    private bool _validated = from?.Validated ?? true;
    private double? _measured = from?.ValidationLoss;

    public required CheckpointStore Checkpoints { get; init; }

    public required LanguageModel Model { get; init; }

    public required ModelTokenizer Tokens { get; init; }

    public required Optimizer Optimizer { get; init; }

    public required StepQueue Queue { get; init; }

    public required RunValidation Validation { get; init; }

    public required MetricsLog Metrics { get; init; }

    public required RunClock Clock { get; init; }

    /// <summary>Fingerprint of the text.</summary>
    public required string Data { get; init; }

    /// <summary>Steps done.</summary>
    public long Step { get; private set; } = from?.Step ?? 0;

    /// <summary>Runs to the end, and measures the finished model; null if a request to stop came first.</summary>
    public EvaluationResult? Run(CancellationToken stop)
    {
        if (!_validated && Step < _steps)
        {
            // A request to stop came in the middle of it.
            ValidateOnTheWay(stop);
        }

        while (Step < _steps && !stop.IsCancellationRequested)
        {
            Step++;
            _measured = null;
            Queue.Run();
            _validated = !IsDue(configuration.ValidateEvery!.Value);
            if (!_validated && Step < _steps)
            {
                Queue.Drain();
                ValidateOnTheWay(stop);
            }

            if (IsDue(configuration.CheckpointEvery!.Value) || Step == _steps || stop.IsCancellationRequested)
            {
                Queue.Drain();
                WriteCheckpoint();
            }
        }

        return Step == _steps ? ValidateAtTheEnd(stop) : null;
    }

    private bool IsDue(long interval) => interval > 0 && Step % interval == 0;

    private void ValidateOnTheWay(CancellationToken stop)
    {
        if (Validation.Run(Step, configuration.ValidationTokens, stop) is { } found)
        {
            Metrics.Write(Step, found);
            _validated = true;
            _measured = found.Loss;
            KeepIfBest();
        }
    }

    private EvaluationResult? ValidateAtTheEnd(CancellationToken stop)
    {
        if (Validation.Run(Step, long.MaxValue, stop) is not { } found)
        {
            return null;
        }

        if (configuration.KeepBest)
        {
            // Losses of different parts of the text cannot be compared.
            bool isSame = found.Tokens <= configuration.ValidationTokens;
            EvaluationResult? comparable = isSame ? found : Validation.Measure(configuration.ValidationTokens, stop);
            if (comparable is null)
            {
                return null;
            }

            _measured = comparable.Loss;
            KeepIfBest();
        }

        // Its line in the log is what says that the model beside it is the finished one, and so comes after it.
        ModelFolder.Save(folder, Model, Tokens.Tokenizer, Tokens.EndTokens);
        Metrics.Write(Step, found);
        Metrics.FlushToDisk();
        LossPicture.Draw(folder, configuration, observer.OnNote);
        return found;
    }

    private void KeepIfBest()
    {
        if (configuration.KeepBest)
        {
            Metrics.FlushToDisk();
            Checkpoints.SaveIfBest(Model, Tokens, Optimizer, State(), RunPaths.Absolute(configuration));
        }
    }

    private void WriteCheckpoint()
    {
        // A checkpoint counts on the log's being there.
        Metrics.FlushToDisk();
        string? previous = Checkpoints.Latest;
        try
        {
            Checkpoints.Save(Model, Tokens, Optimizer, State(), RunPaths.Absolute(configuration));
        }
        catch (DynConvException exception) when (previous is not null)
        {
            throw new DynConvException($"{exception.Message} {previous} is complete; make room and continue with --resume.", exception);
        }

        LossPicture.Draw(folder, configuration, observer.OnNote);
        observer.OnCheckpoint(Step, Checkpoints.Latest!);
    }

    private RunState State() => new()
    {
        Step = Step,
        Data = Data,
        MetricsBytes = Metrics.Length,
        MetricsSha256 = Metrics.Sha256,
        Seconds = Clock.Seconds,
        Validated = _validated,
        ValidationLoss = _measured,
    };
}
