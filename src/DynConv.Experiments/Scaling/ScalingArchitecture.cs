namespace DynConv.Experiments.Scaling;

/// <summary>Runs of one architecture in several sizes.</summary>
/// <param name="Name">The architecture's name.</param>
/// <param name="Points">Its runs, by compute.</param>
public sealed record ScalingArchitecture(string Name, IReadOnlyList<ScalingPoint> Points)
{
    /// <summary>How many different amounts of compute there are.</summary>
    internal int Sizes => Points.Select(point => point.Flops).Distinct().Count();

    internal double LeastFlops => Points.Min(point => point.Flops);

    internal double MostFlops => Points.Max(point => point.Flops);
}
