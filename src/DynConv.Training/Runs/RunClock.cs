using System.Diagnostics;

namespace DynConv.Training.Runs;

/// <summary>Times the steps of a run.</summary>
/// <param name="earlier">Seconds spent before the run was resumed.</param>
internal sealed class RunClock(double earlier)
{
    private const double Smoothing = 0.1;

    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private double _secondsPerStep;
    private double _start;
    private long _measured;

    /// <summary>Time spent so far, in seconds.</summary>
    public double Seconds => earlier + _watch.Elapsed.TotalSeconds;

    /// <summary>A step begins; what came before it, validation and checkpoints, is not training speed.</summary>
    public void Begin() => _start = _watch.Elapsed.TotalSeconds;

    /// <summary>A step is done: its figures.</summary>
    public StepMetrics Measure(long step, long steps, long tokensPerStep, (double Loss, double LearningRate, double GradientNorm) done)
    {
        double took = _watch.Elapsed.TotalSeconds - _start;

        // The first step compiles kernels and fills the memory pool; it says nothing about the next.
        _secondsPerStep = _measured++ < 2 ? took : _secondsPerStep + (Smoothing * (took - _secondsPerStep));
        return new StepMetrics(
            step,
            steps,
            done.Loss,
            done.LearningRate,
            done.GradientNorm,
            step * tokensPerStep,
            tokensPerStep / _secondsPerStep,
            Seconds,
            (steps - step) * _secondsPerStep);
    }
}
