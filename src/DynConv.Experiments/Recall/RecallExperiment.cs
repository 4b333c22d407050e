using System.Collections.Concurrent;
using DynConv.Cpu;

namespace DynConv.Experiments.Recall;

/// <summary>
/// Trains each kind of convolution on a task: first seed 0 with each learning rate, then the other seeds with the rate
/// that served the kind best.
/// </summary>
/// <remarks>
/// The models are so small that a core is too much for one op: on the CPU each run has a thread to itself, and as many
/// run side by side as there are threads. No figure depends on how many.
/// </remarks>
public static class RecallExperiment
{
    /// <summary>Models that are trained on a task.</summary>
    /// <param name="settings">The experiment.</param>
    public static int Runs(RecallSettings settings) =>
        settings.Convolutions.Count * (settings.LearningRates.Count + settings.Seeds - 1);

    /// <summary>Trains and measures all models on one task.</summary>
    /// <param name="settings">The experiment; <see cref="RecallSettings.Validate"/> has passed.</param>
    /// <param name="task">One of its tasks.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    /// <param name="observer">Hears how it goes.</param>
    /// <param name="stop">Ends the experiment with an <see cref="OperationCanceledException"/>.</param>
    public static RecallResult Run(
        RecallSettings settings, IRecallTask task, Device? device = null, IRecallObserver? observer = null, CancellationToken stop = default)
    {
        observer?.OnTask(task, Runs(settings));
        int sideBySide = device is { IsCuda: true } ? 1 : CpuSettings.Threads;
        List<RecallOutcome> Train(IEnumerable<RecallRun> runs) => TrainAll(settings, [.. runs], device ?? Device.Cpu, sideBySide, observer, stop);
        List<RecallOutcome> sweep = Train(
            from rate in settings.LearningRates
            from conv in settings.Convolutions.Reverse()
            select new RecallRun(task, conv, Seed: 0, rate));
        Dictionary<string, RecallOutcome> best = settings.Convolutions.ToDictionary(
            conv => conv, conv => sweep.Where(outcome => outcome.Run.Conv == conv).MaxBy(outcome => outcome.Validation)!);
        List<RecallOutcome> others = Train(
            from seed in Enumerable.Range(1, settings.Seeds - 1)
            from conv in settings.Convolutions.Reverse()
            select best[conv].Run with { Seed = seed });
        return new RecallResult(settings, task, [.. best.Values.Concat(others)], sweep);
    }

    private static List<RecallOutcome> TrainAll(
        RecallSettings settings, RecallRun[] runs, Device device, int sideBySide, IRecallObserver? observer, CancellationToken stop)
    {
        var outcomes = new RecallOutcome[runs.Length];
        try
        {
            Parallel.ForEach(
                Partitioner.Create(Enumerable.Range(0, runs.Length), EnumerablePartitionerOptions.NoBuffering),
                new ParallelOptions { MaxDegreeOfParallelism = sideBySide, CancellationToken = stop },
                i =>
                {
                    using IDisposable alone = CpuSettings.LimitThreads(1);
                    using var trainer = new RecallTrainer(settings, runs[i], device);
                    outcomes[i] = trainer.Train(observer, stop);
                    observer?.OnRun(outcomes[i]);
                });
        }
        catch (AggregateException failure)
        {
            Exception first = failure.Flatten().InnerExceptions[0];
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }

        return [.. outcomes];
    }
}
