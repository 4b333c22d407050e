namespace DynConv.Experiments.Scaling;

/// <summary>Loss as a function of compute: <c>L = E + A·C^-α</c>.</summary>
/// <param name="E">The loss that no compute gets below.</param>
/// <param name="A">What is above it at one operation.</param>
/// <param name="Alpha">How fast that falls.</param>
public sealed record ScalingLaw(double E, double A, double Alpha)
{
    /// <summary>The loss that an amount of compute reaches.</summary>
    /// <param name="flops">Operations.</param>
    public double LossAt(double flops) => E + (A * Math.Pow(flops, -Alpha));

    /// <summary>The compute that a loss takes; infinite if the law never gets there.</summary>
    /// <param name="loss">A loss.</param>
    public double FlopsFor(double loss) => loss > E ? Math.Pow(A / (loss - E), 1 / Alpha) : double.PositiveInfinity;
}
