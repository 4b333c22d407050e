namespace DynConv.Training.Runs;

/// <summary>A step that is queued on a device; its figures may still be on their way.</summary>
/// <param name="Step">From 1.</param>
/// <param name="LearningRate">The step's.</param>
/// <param name="Losses">The mean loss of each micro-batch.</param>
/// <param name="SquaredNorm">The square of the gradient's norm.</param>
internal sealed record PendingStep(
    long Step, double LearningRate, IReadOnlyList<PendingValue> Losses, PendingValue SquaredNorm) : IDisposable
{
    /// <summary>Mean loss; waits for the step.</summary>
    public double Loss => Losses.Sum(loss => (double)loss.Value / Losses.Count);

    /// <summary>Norm of the gradient before clipping; waits for the step.</summary>
    public double GradientNorm => Math.Sqrt(SquaredNorm.Value);

    public void Dispose()
    {
        foreach (PendingValue loss in Losses)
        {
            loss.Dispose();
        }

        SquaredNorm.Dispose();
    }
}
