namespace DynConv.Training.Runs;

/// <summary>A step that is queued on a device; its figures may still be on their way.</summary>
/// <param name="Step">From 1.</param>
/// <param name="LearningRate">The step's.</param>
/// <param name="Losses">The mean loss of each micro-batch, and how many targets it is the mean of.</param>
/// <param name="SquaredNorm">The square of the gradient's norm.</param>
internal sealed record PendingStep(
    long Step, double LearningRate, IReadOnlyList<(PendingValue Mean, long Targets)> Losses, PendingValue SquaredNorm) : IDisposable
{
    /// <summary>Mean loss of all targets; waits for the step.</summary>
    public double Loss => Losses.Sum(loss => (double)loss.Mean.Value * loss.Targets / Math.Max(1, Targets));

    /// <summary>Norm of the gradient before clipping; waits for the step.</summary>
    public double GradientNorm => Math.Sqrt(SquaredNorm.Value);

    private long Targets => Losses.Sum(loss => loss.Targets);

    public void Dispose()
    {
        foreach ((PendingValue mean, _) in Losses)
        {
            mean.Dispose();
        }

        SquaredNorm.Dispose();
    }
}
