using DynConv.Experiments.Recall;

namespace DynConv.Cli.Display;

/// <summary>Shows how the trainings of one task are going.</summary>
internal abstract class RecallDisplay : IRecallObserver, IDisposable
{
    /// <summary>A live display on a terminal, plain lines elsewhere.</summary>
    public static RecallDisplay For(CliContext context, RecallSettings settings) => context.IsInteractive
        ? new LiveRecallDisplay(context.Terminal, settings)
        : new PlainRecallDisplay(context.Out);

    public abstract void OnTask(IRecallTask task, int runs);

    public abstract void OnSteps(RecallRun run, int step, double loss);

    public abstract void OnRun(RecallOutcome outcome);

    public abstract void Dispose();
}
