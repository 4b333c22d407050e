namespace DynConv.Models.Layers;

/// <summary>What the recurrences of Gated DeltaNet and Mamba-2 start from (Gu and Dao 2024; Yang et al. 2024).</summary>
internal static class RecurrenceInitialization
{
    private const double LeastStep = 1e-3;
    private const double LargestStep = 0.1;
    private const double StepFloor = 1e-4;

    /// <summary>The logarithm of a rate of decay that is uniform between two numbers.</summary>
    /// <param name="least">The smallest rate.</param>
    /// <param name="largest">The largest rate.</param>
    /// <param name="uniform">From 0 to 1.</param>
    public static double LogRate(double least, double largest, double uniform)
    {
        // A rate of 0 has no logarithm.
        const double Smallest = 1e-6;
        return Math.Log(Math.Max(Smallest, least + ((largest - least) * uniform)));
    }

    /// <summary>What the softplus makes a step of whose logarithm is uniform.</summary>
    /// <param name="uniform">From 0 to 1.</param>
    public static double StepBias(double uniform)
    {
        double step = Math.Max(StepFloor, LeastStep * Math.Pow(LargestStep / LeastStep, uniform));
        return step + Math.Log(1 - Math.Exp(-step));
    }
}
