namespace DynConv.Experiments.Recall;

/// <summary>The figures of all models that were trained on a task.</summary>
/// <param name="Settings">The experiment.</param>
/// <param name="Task">The task.</param>
/// <param name="Runs">For each kind of convolution all seeds, with the learning rate that served the kind best.</param>
/// <param name="Sweep">Seed 0 with each learning rate.</param>
public sealed record RecallResult(
    RecallSettings Settings, IRecallTask Task, IReadOnlyList<RecallOutcome> Runs, IReadOnlyList<RecallOutcome> Sweep)
{
    /// <summary>A kind's models, by seed.</summary>
    /// <param name="conv">The kind.</param>
    public IReadOnlyList<RecallOutcome> Of(string conv) =>
        [.. Runs.Where(run => run.Run.Conv == conv).OrderBy(run => run.Run.Seed)];

    /// <summary>A kind's test accuracy over seeds.</summary>
    /// <param name="conv">The kind.</param>
    /// <param name="pairs">One of the settings' numbers of pairs.</param>
    public RecallSpread Accuracy(string conv, int pairs)
    {
        int index = Settings.Pairs.ToList().IndexOf(pairs);
        return RecallSpread.Of(Of(conv).Select(run => run.Accuracy[index]));
    }

    /// <summary>A kind's learning curve: the median over seeds at each point that all have reached.</summary>
    /// <param name="conv">The kind.</param>
    /// <param name="pairs">One of the settings' numbers of pairs.</param>
    public IReadOnlyList<(int Step, double Accuracy)> Curve(string conv, int pairs)
    {
        int index = Settings.Pairs.ToList().IndexOf(pairs);
        IReadOnlyList<RecallOutcome> runs = Of(conv);
        return [.. Enumerable.Range(0, runs.Min(run => run.Curve.Count)).Select(point => (
            runs[0].Curve[point].Step, RecallSpread.Of(runs.Select(run => run.Curve[point].Accuracy[index])).Median))];
    }
}
