using DynConv.Training.Evaluation;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

/// <summary>Remembers what a run reports, and can stop it or break it off.</summary>
internal sealed class Recorder : ITrainingObserver
{
    private readonly CancellationTokenSource _stop =
        CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

    /// <summary>Step after which the run is asked to stop.</summary>
    public long? StopAfter { get; init; }

    /// <summary>Step after which the run dies without a chance to write anything.</summary>
    public long? DieAfter { get; init; }

    /// <summary>Called after each step.</summary>
    public Action<StepMetrics>? AtStep { get; init; }

    /// <summary>Called after each checkpoint.</summary>
    public Action<long>? AtCheckpoint { get; init; }

    public CancellationToken Stop => _stop.Token;

    public RunStart? Begun { get; private set; }

    public List<StepMetrics> Steps { get; } = [];

    public List<(long Step, EvaluationResult Result)> Validations { get; } = [];

    public List<string> Checkpoints { get; } = [];

    public List<string> Notes { get; } = [];

    public long EncodedBytes { get; private set; }

    public void OnEncoding(long bytes, long totalBytes) => EncodedBytes = bytes;

    public void OnStart(RunStart start) => Begun = start;

    /// <summary>Kernels that were compiled before the first step; null on the CPU.</summary>
    public int? Kernels { get; private set; }

    public void OnPreparing() => Kernels = 0;

    public void OnPrepared(int kernels, double seconds) => Kernels = kernels;

    public void OnStep(StepMetrics step)
    {
        Steps.Add(step);
        AtStep?.Invoke(step);
        if (step.Step == DieAfter)
        {
            throw new DeathException();
        }

        if (step.Step == StopAfter)
        {
            _stop.Cancel();
        }
    }

    public void OnValidation(long step, EvaluationResult result) => Validations.Add((step, result));

    public void OnCheckpoint(long step, string path)
    {
        Checkpoints.Add(path);
        AtCheckpoint?.Invoke(step);
    }

    public void OnNote(string note) => Notes.Add(note);

    /// <summary>Stands for the end of the process.</summary>
    internal sealed class DeathException : Exception;
}
