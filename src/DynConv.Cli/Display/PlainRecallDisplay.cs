using DynConv.Experiments.Recall;

namespace DynConv.Cli.Display;

/// <summary>A line for each model that is trained, for logs and pipes.</summary>
internal sealed class PlainRecallDisplay(TextWriter output) : RecallDisplay
{
    private readonly Lock _gate = new();
    private int _done;
    private int _runs;

    public override void OnTask(IRecallTask task, int runs)
    {
        output.WriteLine();
        _runs = runs;
    }

    public override void OnSteps(RecallRun run, int step, double loss)
    {
    }

    public override void OnRun(RecallOutcome outcome)
    {
        lock (_gate)
        {
            _done++;
            RecallRun run = outcome.Run;
            string figures = outcome.Diverged ? "diverged" : string.Join(' ', outcome.Accuracy.Select(accuracy => $"{100 * accuracy:0.0}"));
            output.WriteLine($"{run.Task.Name} {_done}/{_runs}  {run.Conv,-8}  lr {run.LearningRate}  seed {run.Seed}  accuracy {figures}  {outcome.Seconds:0.0} s");
            output.Flush();
        }
    }

    public override void Dispose() => output.Flush();
}
