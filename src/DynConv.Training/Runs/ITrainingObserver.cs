using DynConv.Models;
using DynConv.Training.Evaluation;

namespace DynConv.Training.Runs;

/// <summary>
/// Hears what a run is doing; called on the run's own thread. Whoever implements it writes the methods that matter to them.
/// </summary>
public interface ITrainingObserver
{
    /// <summary>Text is being turned into tokens.</summary>
    /// <param name="bytes">Bytes done so far.</param>
    /// <param name="totalBytes">Bytes in all, as far as known.</param>
    void OnEncoding(long bytes, long totalBytes)
    {
    }

    /// <summary>The first step is about to run.</summary>
    /// <param name="start">What the run is about to do.</param>
    void OnStart(RunStart start)
    {
    }

    /// <summary>Kernels are about to be compiled; only on a GPU.</summary>
    void OnPreparing()
    {
    }

    /// <summary>All kernels that the run needs are there.</summary>
    /// <param name="kernels">How many.</param>
    /// <param name="seconds">How long it took.</param>
    void OnPrepared(int kernels, double seconds)
    {
    }

    /// <summary>A step is done.</summary>
    /// <param name="step">Its figures.</param>
    void OnStep(StepMetrics step)
    {
    }

    /// <summary>The model is being looked at on validation text.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="progress">How far the validation has come.</param>
    /// <param name="secondsLeft">Expected time to the end of the run.</param>
    void OnValidating(long step, EvaluationProgress progress, double secondsLeft)
    {
    }

    /// <summary>The model has been looked at on validation text.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="result">What came out.</param>
    void OnValidation(long step, EvaluationResult result)
    {
    }

    /// <summary>Something is not as it should be, and the run goes on all the same.</summary>
    /// <param name="note">A sentence.</param>
    void OnNote(string note)
    {
    }

    /// <summary>A checkpoint is complete.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="path">Its folder.</param>
    void OnCheckpoint(long step, string path)
    {
    }
}

/// <summary>What a run is about to do.</summary>
/// <param name="Configuration">The resolved configuration.</param>
/// <param name="Model">The model's shape.</param>
/// <param name="Parameters">Number of parameters.</param>
/// <param name="TrainTokens">Tokens to train on.</param>
/// <param name="ValidTokens">Tokens to validate on.</param>
/// <param name="FirstStep">The step that comes next; above 1 for a resumed run, and beyond the last if all are done.</param>
/// <param name="Device">Where it computes.</param>
/// <param name="ComputeType">What it computes in.</param>
public sealed record RunStart(
    TrainingConfiguration Configuration,
    ModelConfiguration Model,
    long Parameters,
    long TrainTokens,
    long ValidTokens,
    long FirstStep,
    Device Device,
    DType ComputeType)
{
    /// <summary>The parts of the text that is trained on.</summary>
    public IReadOnlyList<RunSource> Sources { get; init; } = [];

    /// <summary>What of the text was not read, in sentences.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}

/// <summary>What a run makes of a part of its text.</summary>
/// <param name="Name">The part: a path of a mixture, or all paths.</param>
/// <param name="Tokens">Tokens to train on.</param>
/// <param name="Share">Its share of the run's samples.</param>
/// <param name="Epochs">How many times the run, from its first step to its last, goes through it.</param>
public sealed record RunSource(string Name, long Tokens, double Share, double Epochs);

/// <summary>Figures of one step.</summary>
/// <param name="Step">From 1.</param>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="Loss">Mean cross-entropy of the step's tokens, in nats.</param>
/// <param name="LearningRate">The step's.</param>
/// <param name="GradientNorm">Before clipping.</param>
/// <param name="Tokens">Tokens seen since the start of the run.</param>
/// <param name="TokensPerSecond">Speed of the latest steps.</param>
/// <param name="Seconds">Time spent in the run, earlier parts of a resumed one included.</param>
/// <param name="SecondsLeft">Expected time to the end of the run, its validations included.</param>
public sealed record StepMetrics(
    long Step,
    long Steps,
    double Loss,
    double LearningRate,
    double GradientNorm,
    long Tokens,
    double TokensPerSecond,
    double Seconds,
    double SecondsLeft)
{
    /// <summary>
    /// Model FLOPs utilisation: what of the card's peak the model's arithmetic takes at this speed; null where the peak is not known
    /// (<see cref="DynConv.Diagnostics.PeakRates"/>).
    /// </summary>
    public double? Utilization { get; init; }
}
