using DynConv.Optimizers;

namespace DynConv.Training.Runs;

/// <summary>
/// Runs a loop's steps and reports each when its figures are known: at once on the CPU, a step later on a GPU, which so
/// always has work.
/// </summary>
/// <param name="loop">The steps.</param>
/// <param name="clock">Times them.</param>
/// <param name="report">Takes the figures of each step, in order.</param>
internal sealed class StepQueue(TrainingLoop loop, RunClock clock, Action<StepMetrics> report)
{
    private TrainingStep? _unreported;

    /// <summary>Queues a step, and waits for the one before if there is one.</summary>
    public void Run()
    {
        if (_unreported is null)
        {
            clock.Begin();
        }

        TrainingStep? previous = _unreported;
        _unreported = loop.Step();
        if (previous is not null)
        {
            report(clock.Measure(previous));
        }

        if (!loop.IsQueued)
        {
            Drain();
        }
    }

    /// <summary>Waits for the last step.</summary>
    public void Drain()
    {
        if (_unreported is { } last)
        {
            _unreported = null;
            report(clock.Measure(last));
        }
    }
}
