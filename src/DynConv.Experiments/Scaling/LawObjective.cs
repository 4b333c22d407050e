using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.Optimization;

namespace DynConv.Experiments.Scaling;

/// <summary>
/// How badly laws with one E in common fit their points: the mean Huber loss of <c>ln(predicted) − ln(observed)</c>, as
/// in Hoffmann et al. (2022). The unknowns are logarithms, <c>[ln E, (ln A', ln α) of each law]</c>, so that all are
/// positive; compute is in units of <see cref="Unit"/>, so that they are of like size.
/// </summary>
internal sealed class LawObjective
{
    private readonly double[][] _logFlops;
    private readonly double[][] _logLosses;
    private readonly int _points;
    private double _best = double.PositiveInfinity;

    public LawObjective(IReadOnlyList<IReadOnlyList<ScalingPoint>> groups)
    {
        Unit = Math.Exp(groups.SelectMany(points => points).Average(point => Math.Log(point.Flops)));
        LeastLoss = groups.SelectMany(points => points).Min(point => point.Loss);
        _logFlops = [.. groups.Select(points => points.Select(point => Math.Log(point.Flops / Unit)).ToArray())];
        _logLosses = [.. groups.Select(points => points.Select(point => Math.Log(point.Loss)).ToArray())];
        _points = groups.Sum(points => points.Count);
    }

    /// <summary>The geometric mean of all compute.</summary>
    public double Unit { get; }

    public double LeastLoss { get; }

    /// <summary>Where the Huber loss turns from a square into a line.</summary>
    public double Delta { get; set; }

    /// <summary>The best point that was looked at since <see cref="Forget"/>: a minimiser may give up after it.</summary>
    public double[] BestPoint { get; private set; } = [];

    public double Best => _best;

    /// <summary>Mean loss of a group at the unit of compute, roughly.</summary>
    public double MiddleLoss(int group) => Math.Exp(_logLosses[group].Average());

    public void Forget() => _best = double.PositiveInfinity;

    public IObjectiveFunction Smooth() => ObjectiveFunction.Gradient(at =>
    {
        var gradient = new double[at.Count];
        double value = Evaluate([.. at], gradient);
        return (value, Vector<double>.Build.DenseOfArray(gradient));
    });

    public IObjectiveFunction Plain() => ObjectiveFunction.Value(at => Evaluate([.. at], null));

    public ScalingLaw Law(double[] at, int group)
    {
        double alpha = Math.Exp(at[2 + (2 * group)]);
        return new ScalingLaw(Math.Exp(at[0]), Math.Exp(at[1 + (2 * group)] + (alpha * Math.Log(Unit))), alpha);
    }

    private double Evaluate(double[] at, double[]? gradient)
    {
        double sum = 0;
        double floor = Math.Exp(at[0]);
        for (int group = 0; group < _logFlops.Length; group++)
        {
            double logScale = at[1 + (2 * group)];
            double alpha = Math.Exp(at[2 + (2 * group)]);
            for (int i = 0; i < _logFlops[group].Length; i++)
            {
                double logFlops = _logFlops[group][i];
                double rest = Math.Exp(logScale - (alpha * logFlops));
                double predicted = floor + rest;
                double residual = Math.Log(predicted) - _logLosses[group][i];
                double size = Math.Abs(residual);
                sum += size <= Delta ? residual * residual / (2 * Delta) : size - (Delta / 2);
                if (gradient is not null)
                {
                    double slope = Math.Clamp(residual / Delta, -1, 1) / (predicted * _points);
                    gradient[0] += slope * floor;
                    gradient[1 + (2 * group)] += slope * rest;
                    gradient[2 + (2 * group)] -= slope * rest * alpha * logFlops;
                }
            }
        }

        double value = sum / _points;
        if (value < _best)
        {
            (_best, BestPoint) = (value, (double[])at.Clone());
        }

        // A minimiser that steps out of the numbers is told that it is bad there.
        return double.IsFinite(value) ? value : double.MaxValue;
    }
}
