namespace DynConv.Experiments.Ablations;

/// <summary>A figure over several seeds.</summary>
/// <param name="Mean">Its mean.</param>
/// <param name="Min">The least.</param>
/// <param name="Max">The greatest.</param>
public sealed record Spread(double Mean, double Min, double Max)
{
    /// <summary>The spread of some values; null of none.</summary>
    /// <param name="values">The values.</param>
    public static Spread? Of(IEnumerable<double> values)
    {
        double[] all = [.. values];
        return all.Length == 0 ? null : new Spread(all.Average(), all.Min(), all.Max());
    }
}
