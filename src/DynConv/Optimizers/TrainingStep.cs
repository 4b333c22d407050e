namespace DynConv.Optimizers;

/// <summary>
/// A step of a <see cref="Trainer"/>. On a GPU its figures may still be on their way, and reading one waits for the step.
/// </summary>
public sealed class TrainingStep
{
    private readonly Trainer _trainer;
    private readonly IReadOnlyList<(PendingValue Value, double Share)> _losses;
    private readonly PendingValue _squaredNorm;
    private double _loss;
    private double _gradientNorm;
    private bool _isDone;

    internal TrainingStep(
        Trainer trainer,
        long number,
        double learningRate,
        IReadOnlyList<MicroBatch> parts,
        IReadOnlyList<(PendingValue Value, double Share)> losses,
        PendingValue squaredNorm)
    {
        _trainer = trainer;
        _losses = losses;
        _squaredNorm = squaredNorm;
        (Number, LearningRate, Parts) = (number, learningRate, parts);
    }

    /// <summary>From 1.</summary>
    public long Number { get; }

    /// <summary>The step's learning rate.</summary>
    public double LearningRate { get; }

    /// <summary>The losses of the micro-batches, each times its share; waits for the step.</summary>
    /// <exception cref="NonFiniteStepException">The loss or the gradient is not finite.</exception>
    public double Loss
    {
        get
        {
            _trainer.Complete(this);
            return _loss;
        }
    }

    /// <summary>The gradient's norm before clipping; waits for the step.</summary>
    /// <exception cref="NonFiniteStepException">The loss or the gradient is not finite.</exception>
    public double GradientNorm
    {
        get
        {
            _trainer.Complete(this);
            return _gradientNorm;
        }
    }

    /// <summary>What can be run again.</summary>
    internal IReadOnlyList<MicroBatch> Parts { get; }

    /// <summary>Waits for the figures, once.</summary>
    /// <returns>What is not finite; null if all is, or has been looked at before.</returns>
    internal string? Read()
    {
        if (_isDone)
        {
            return null;
        }

        float broken = _losses.Select(loss => loss.Value.Value).FirstOrDefault(static value => !float.IsFinite(value), 0);
        _loss = _losses.Sum(loss => loss.Value.Value * loss.Share);
        _gradientNorm = Math.Sqrt(_squaredNorm.Value);
        Release();
        _isDone = true;
        return !float.IsFinite(broken) ? $"the loss is {broken}"
            : !double.IsFinite(_gradientNorm) ? $"the norm of the gradient is {_gradientNorm}"
            : null;
    }

    /// <summary>Gives up what the figures need on their way.</summary>
    internal void Release()
    {
        foreach ((PendingValue value, _) in _losses)
        {
            value.Dispose();
        }

        _squaredNorm.Dispose();
    }
}
