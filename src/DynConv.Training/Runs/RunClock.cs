using System.Diagnostics;
using DynConv.Optimizers;
using DynConv.Training.Evaluation;

namespace DynConv.Training.Runs;

/// <summary>Times the steps and the validations of a run, and so tells how long it has to go.</summary>
/// <param name="earlier">Seconds spent before the run was resumed.</param>
/// <param name="plan">Validations that the run makes.</param>
/// <param name="tokensPerStep">Tokens that a step learns from.</param>
internal sealed class RunClock(double earlier, ValidationPlan plan, long tokensPerStep)
{
    private const double Smoothing = 0.1;

    // The backward pass does twice the work of the forward one.
    private const double StepOverValidation = 3;

    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private double _secondsPerStep;
    private double? _secondsPerWindow;
    private double _start;
    private long _measured;

    /// <summary>Tokens a second at the device's peak; null where that is not known.</summary>
    public double? PeakTokensPerSecond { get; init; }

    /// <summary>Time spent so far, in seconds.</summary>
    public double Seconds => earlier + _watch.Elapsed.TotalSeconds;

    /// <summary>
    /// A step or a validation begins, and nothing is under way; what came before it, checkpoints for instance, is neither's time.
    /// </summary>
    public void Begin() => _start = _watch.Elapsed.TotalSeconds;

    /// <summary>A step is done, and the next may be under way already: its figures.</summary>
    public StepMetrics Measure(TrainingStep done)
    {
        double now = _watch.Elapsed.TotalSeconds;
        double took = now - _start;
        _start = now;

        // The first step compiles kernels and fills the memory pool; it says nothing about the next.
        _secondsPerStep = _measured++ < 2 ? took : _secondsPerStep + (Smoothing * (took - _secondsPerStep));
        return new StepMetrics(
            done.Number,
            plan.Steps,
            done.Loss,
            done.LearningRate,
            done.GradientNorm,
            done.Number * tokensPerStep,
            tokensPerStep / _secondsPerStep,
            Seconds,
            StepsLeft(done.Number) + (plan.WindowsFrom(done.Number) * SecondsPerWindow))
        {
            Utilization = tokensPerStep / _secondsPerStep / PeakTokensPerSecond,
        };
    }

    /// <summary>A validation has come to a place: the expected time to the end of the run.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="progress">Windows of this validation.</param>
    public double Left(long step, EvaluationProgress progress)
    {
        _secondsPerWindow = (_watch.Elapsed.TotalSeconds - _start) / progress.Windows;
        long later = step < plan.Steps ? plan.WindowsFrom(step + 1) : 0;
        return StepsLeft(step) + ((progress.TotalWindows - progress.Windows + later) * SecondsPerWindow);
    }

    private double StepsLeft(long step) => (plan.Steps - step) * _secondsPerStep;

    private double SecondsPerWindow =>
        _secondsPerWindow ?? _secondsPerStep / tokensPerStep * plan.Context / StepOverValidation;
}

/// <summary>The validations of a run.</summary>
/// <param name="Steps">Steps of the run; after the last one all windows are looked at.</param>
/// <param name="Every">Steps between validations; 0 for none but the last.</param>
/// <param name="Context">Tokens of a window.</param>
/// <param name="Windows">Windows of a validation during the run.</param>
/// <param name="LastWindows">Windows of the last one.</param>
internal sealed record ValidationPlan(long Steps, long Every, int Context, long Windows, long LastWindows)
{
    /// <summary>Windows to look at from the end of a step on.</summary>
    public long WindowsFrom(long step) =>
        LastWindows + (Every > 0 ? Windows * Math.Max(0, ((Steps - 1) / Every) - ((step - 1) / Every)) : 0);
}
