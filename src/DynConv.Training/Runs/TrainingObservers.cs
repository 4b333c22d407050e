using DynConv.Training.Evaluation;

namespace DynConv.Training.Runs;

/// <summary>Tells several observers of a run, one after the other.</summary>
/// <param name="observers">Whom.</param>
public sealed class TrainingObservers(params IReadOnlyList<ITrainingObserver> observers) : ITrainingObserver
{
    /// <inheritdoc/>
    public void OnEncoding(long bytes, long totalBytes) => Tell(observer => observer.OnEncoding(bytes, totalBytes));

    /// <inheritdoc/>
    public void OnPreparing() => Tell(observer => observer.OnPreparing());

    /// <inheritdoc/>
    public void OnPrepared(int kernels, double seconds) => Tell(observer => observer.OnPrepared(kernels, seconds));

    /// <inheritdoc/>
    public void OnStart(RunStart start) => Tell(observer => observer.OnStart(start));

    /// <inheritdoc/>
    public void OnStep(StepMetrics step) => Tell(observer => observer.OnStep(step));

    /// <inheritdoc/>
    public void OnValidating(long step, EvaluationProgress progress, double secondsLeft) =>
        Tell(observer => observer.OnValidating(step, progress, secondsLeft));

    /// <inheritdoc/>
    public void OnValidation(long step, EvaluationResult result) => Tell(observer => observer.OnValidation(step, result));

    /// <inheritdoc/>
    public void OnCheckpoint(long step, string path) => Tell(observer => observer.OnCheckpoint(step, path));

    /// <inheritdoc/>
    public void OnNote(string note) => Tell(observer => observer.OnNote(note));

    private void Tell(Action<ITrainingObserver> what)
    {
        foreach (ITrainingObserver observer in observers)
        {
            what(observer);
        }
    }
}
