namespace DynConv.Optimizers;

/// <summary>A training step whose loss or gradient is not finite. It has changed no parameter.</summary>
public sealed class NonFiniteStepException : DynConvException
{
    /// <summary>Creates the failure.</summary>
    /// <param name="step">The step's number, from 1.</param>
    /// <param name="message">What was not finite, and which op it began with.</param>
    public NonFiniteStepException(long step, string message)
        : base(message) => Step = step;

    /// <summary>The step's number, from 1.</summary>
    public long Step { get; }
}
