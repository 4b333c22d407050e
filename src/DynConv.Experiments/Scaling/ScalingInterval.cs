namespace DynConv.Experiments.Scaling;

/// <summary>Where 95% of the bootstrap's values of a figure lie.</summary>
/// <param name="Low">The 2.5th percentile.</param>
/// <param name="High">The 97.5th percentile.</param>
public sealed record ScalingInterval(double Low, double High)
{
    private const double Outside = 0.025;

    internal static ScalingInterval Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return new ScalingInterval(Quantile(sorted, Outside), Quantile(sorted, 1 - Outside));
    }

    private static double Quantile(double[] sorted, double share)
    {
        double place = share * (sorted.Length - 1);
        int below = (int)place;
        double above = sorted[Math.Min(below + 1, sorted.Length - 1)];
        return place == below ? sorted[below] : sorted[below] + ((place - below) * (above - sorted[below]));
    }
}
