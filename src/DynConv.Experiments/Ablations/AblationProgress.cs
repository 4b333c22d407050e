using DynConv.Models;
using DynConv.Training;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;

namespace DynConv.Experiments.Ablations;

/// <summary>Passes on what a run reports, and foretells how long the whole grid takes.</summary>
internal sealed class AblationProgress(IAblationObserver observer, IReadOnlyList<AblationCell> cells) : ITrainingObserver
{
    private readonly Dictionary<AblationCell, double> _left = cells.ToDictionary(cell => cell, Flops);
    private AblationCell _running = cells[0];
    private double _secondsPerFlop = double.NaN;
    private double _validations = 1;
    private bool _first;

    public void Begin(AblationCell cell) => (_running, _first) = (cell, true);

    public void End(AblationCell cell) => _left.Remove(cell);

    public void OnEncoding(long bytes, long totalBytes) => observer.OnEncoding(bytes, totalBytes);

    public void OnStart(RunStart start) => observer.OnStart(start);

    public void OnPreparing() => observer.OnPreparing();

    public void OnPrepared(int kernels, double seconds) => observer.OnPrepared(kernels, seconds);

    public void OnStep(StepMetrics step)
    {
        observer.OnStep(step);
        double all = Flops(_running);
        _left[_running] = all * (step.Steps - step.Step) / step.Steps;
        _secondsPerFlop = step.Tokens / (double)step.Step * step.Steps / all / step.TokensPerSecond;
        if (_first && step.Step < step.Steps)
        {
            // At a run's beginning all its validations are still to come, which other runs make too.
            _validations = step.SecondsLeft / (_left[_running] * _secondsPerFlop);
            _first = false;
        }

        ReportGrid(step.SecondsLeft);
    }

    public void OnValidating(long step, EvaluationProgress progress, double secondsLeft)
    {
        observer.OnValidating(step, progress, secondsLeft);
        ReportGrid(secondsLeft);
    }

    public void OnValidation(long step, EvaluationResult result) => observer.OnValidation(step, result);

    public void OnCheckpoint(long step, string path) => observer.OnCheckpoint(step, path);

    private void ReportGrid(double secondsLeft) =>
        observer.OnGridProgress(secondsLeft + (_left.Where(cell => cell.Key != _running).Sum(cell => cell.Value) * _secondsPerFlop * _validations));

    public void OnNote(string note) => observer.OnNote($"{_running.Name}: {note}");

    /// <summary>Arithmetic of a whole run: what the time of runs of different size goes with.</summary>
    private static double Flops(AblationCell cell)
    {
        TrainingConfiguration resolved = cell.Configuration.WithoutDevice().Resolve();
        long tokens = resolved.Steps!.Value * resolved.Batch!.Value * resolved.Context!.Value * resolved.Accumulate;
        return (double)FlopCounts.Of(cell.Model, resolved.Context.Value).Training * tokens;
    }
}
