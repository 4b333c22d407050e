using DynConv.Training.Runs;

namespace DynConv.Experiments.Ablations;

/// <summary>Hears how a grid is going, and its runs in between; called on the grid's own thread.</summary>
public interface IAblationObserver : ITrainingObserver
{
    /// <summary>A run that is not finished yet begins or goes on.</summary>
    /// <param name="cell">The run.</param>
    /// <param name="number">From 1, of all runs of the grid.</param>
    /// <param name="runs">Runs of the grid, finished ones included.</param>
    void OnRun(AblationCell cell, int number, int runs);

    /// <summary>A step of the run is done, or a part of a validation, after the run's own report of it.</summary>
    /// <param name="secondsLeft">Expected time to the end of the whole grid, by the arithmetic that is left; NaN while nothing is known of it.</param>
    void OnGridProgress(double secondsLeft);

    /// <summary>A run has ended: finished, failed or, after a request, stopped.</summary>
    /// <param name="cell">The run.</param>
    /// <param name="result">What came of it.</param>
    void OnRunEnd(AblationCell cell, AblationSeed result);
}
