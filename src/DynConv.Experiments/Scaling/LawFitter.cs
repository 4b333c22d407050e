using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.Optimization;

namespace DynConv.Experiments.Scaling;

/// <summary>Finds the laws that fit points best, from many starts.</summary>
internal static class LawFitter
{
    private const double Tolerance = 1e-10;
    private const int BfgsSteps = 200;
    private const int SimplexSteps = 4000;

    /// <summary>Few starts end in a poor place; these cover what losses of language models look like.</summary>
    private static readonly double[] Floors = [0.1, 0.5, 0.8, 0.95];
    private static readonly double[] Exponents = [0.05, 0.15, 0.4, 1];

    /// <summary>A narrow Huber loss is flat far from the minimum and has kinks near it: the way there is by wider ones.</summary>
    private static readonly double[] Deltas = [0.1, 0.01, 0.001];

    /// <summary>Fits one law to each group of points, all with the same E.</summary>
    /// <param name="groups">Points of each law.</param>
    /// <param name="near">Where the minimum is expected; null to look everywhere. Replaced by where it is.</param>
    public static ScalingLaw[] Fit(IReadOnlyList<IReadOnlyList<ScalingPoint>> groups, ref double[]? near)
    {
        var objective = new LawObjective(groups);
        double[][] starts = near is null ? Starts(objective, groups.Count) : [near];
        double[] best = [];
        double least = double.PositiveInfinity;
        foreach (double[] start in starts)
        {
            double[] found = Descend(objective, start);
            if (objective.Best < least)
            {
                (least, best) = (objective.Best, found);
            }
        }

        near = Polish(objective, best);
        double[] at = near;
        return [.. Enumerable.Range(0, groups.Count).Select(group => objective.Law(at, group))];
    }

    private static double[][] Starts(LawObjective objective, int groups) =>
    [
        .. Floors.SelectMany(floor => Exponents.Select(alpha => Start(objective, groups, floor * objective.LeastLoss, alpha))),
    ];

    private static double[] Start(LawObjective objective, int groups, double floor, double alpha) =>
    [
        Math.Log(floor),
        .. Enumerable.Range(0, groups).SelectMany(group =>
            (double[])[Math.Log(Math.Max(objective.MiddleLoss(group) - floor, Tolerance)), Math.Log(alpha)]),
    ];

    private static double[] Descend(LawObjective objective, double[] start)
    {
        double[] at = start;
        foreach (double delta in Deltas)
        {
            objective.Delta = delta;
            objective.Forget();
            Try(() => new BfgsMinimizer(Tolerance, Tolerance, Tolerance, BfgsSteps).FindMinimum(objective.Smooth(), Vector<double>.Build.DenseOfArray(at)));
            at = objective.BestPoint;
        }

        return at;
    }

    /// <summary>Where the loss has kinks, a simplex gets further than a gradient.</summary>
    private static double[] Polish(LawObjective objective, double[] start)
    {
        objective.Forget();
        Try(() => NelderMeadSimplex.Minimum(objective.Plain(), Vector<double>.Build.DenseOfArray(start), Tolerance, SimplexSteps));
        return objective.BestPoint;
    }

    /// <summary>A minimiser that gives up has been where it got to, which the objective remembers.</summary>
    private static void Try(Action minimise)
    {
        try
        {
            minimise();
        }
        catch (OptimizationException)
        {
        }
    }
}
