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

    /// <summary>A step begins, and none is under way; what came before it, validation and checkpoints, is not training speed.</summary>
    public void Begin() => _start = _watch.Elapsed.TotalSeconds;

    /// <summary>A step is done, and the next may be under way already: its figures.</summary>
    public StepMetrics Measure(PendingStep done, long steps, long tokensPerStep)
    {
        double now = _watch.Elapsed.TotalSeconds;
        double took = now - _start;
        _start = now;

        // The first step compiles kernels and fills the memory pool; it says nothing about the next.
        _secondsPerStep = _measured++ < 2 ? took : _secondsPerStep + (Smoothing * (took - _secondsPerStep));
        return new StepMetrics(
            done.Step,
            steps,
            done.Loss,
            done.LearningRate,
            done.GradientNorm,
            done.Step * tokensPerStep,
            tokensPerStep / _secondsPerStep,
            Seconds,
            (steps - done.Step) * _secondsPerStep);
    }
}
