namespace DynConv.Experiments.Recall;

/// <summary>Hears how an experiment is going. Runs go side by side: calls come from several threads.</summary>
public interface IRecallObserver
{
    /// <summary>A task begins.</summary>
    /// <param name="task">The task.</param>
    /// <param name="runs">How many models will be trained on it.</param>
    void OnTask(IRecallTask task, int runs);

    /// <summary>Some steps have been made.</summary>
    /// <param name="run">By which model.</param>
    /// <param name="step">How many it has made in all.</param>
    /// <param name="loss">Its mean loss since the last call.</param>
    void OnSteps(RecallRun run, int step, double loss);

    /// <summary>A model is trained and measured.</summary>
    /// <param name="outcome">Its figures.</param>
    void OnRun(RecallOutcome outcome);
}
