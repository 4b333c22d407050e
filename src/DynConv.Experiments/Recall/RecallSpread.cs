namespace DynConv.Experiments.Recall;

/// <summary>Accuracy over seeds.</summary>
/// <param name="Median">The middle one; the mean of the middle two of an even number.</param>
/// <param name="Least">The lowest.</param>
/// <param name="Most">The highest.</param>
public sealed record RecallSpread(double Median, double Least, double Most)
{
    /// <summary>The spread of some accuracies.</summary>
    /// <param name="accuracies">At least one.</param>
    public static RecallSpread Of(IEnumerable<double> accuracies)
    {
        double[] sorted = [.. accuracies.Order()];
        return new RecallSpread((sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2, sorted[0], sorted[^1]);
    }
}
