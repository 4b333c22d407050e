namespace DynConv.Training.Runs;

/// <summary>
/// Runs a loop's steps and reports each when its figures are known: at once on the CPU, a step later on a GPU, which so
/// always has work.
/// </summary>
/// <param name="loop">The steps.</param>
/// <param name="clock">Times them.</param>
/// <param name="report">Takes the figures of each step, in order.</param>
internal sealed class StepQueue(TrainingLoop loop, RunClock clock, Action<StepMetrics> report) : IDisposable
{
    private readonly Queue<PendingStep> _pending = new();

    /// <summary>Queues a step, and waits for the one before if there is one.</summary>
    public void Run(long step)
    {
        if (_pending.Count == 0)
        {
            clock.Begin();
        }

        _pending.Enqueue(loop.Begin(step));
        ReportAllBut(loop.StepsAhead);
    }

    /// <summary>Waits for all steps.</summary>
    public void Drain() => ReportAllBut(0);

    public void Dispose()
    {
        while (_pending.TryDequeue(out PendingStep? pending))
        {
            pending.Dispose();
        }
    }

    private void ReportAllBut(int count)
    {
        while (_pending.Count > count)
        {
            using PendingStep done = _pending.Dequeue();
            loop.Check(done);
            report(clock.Measure(done));
        }
    }
}
