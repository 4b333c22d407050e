using DynConv.Modules;

namespace DynConv.Experiments.Scaling;

/// <summary>
/// Fits <c>L = E + A·C^-α</c> to the runs of each architecture. Intervals come from a bootstrap: each architecture's runs
/// are drawn anew with replacement, and everything is fitted again.
/// </summary>
public static class ScalingFit
{
    private const int SizesForOwnFloor = 4;
    private const int SizesForSharedFloor = 3;
    private const int RunsForInterval = 4;
    private const double LeastSpan = 2;
    private const int BandPoints = 33;

    /// <summary>Fits all architectures and compares them with the baseline.</summary>
    /// <param name="architectures">Runs of each.</param>
    /// <param name="options">Baseline, floor and bootstrap.</param>
    /// <exception cref="DynConvException">In one sentence: why there is nothing to be fitted.</exception>
    public static ScalingResult Fit(IReadOnlyList<ScalingArchitecture> architectures, ScalingOptions options)
    {
        ScalingArchitecture[] all = [.. architectures.Select(Sorted)];
        ScalingArchitecture baseline = Array.Find(all, one => one.Name == options.Baseline)
            ?? throw new DynConvException(
                $"There is no run of the baseline '{options.Baseline}'; the runs are of {string.Join(", ", all.Select(one => one.Name))}.");
        foreach (ScalingArchitecture one in all)
        {
            CheckSizes(one, options);
        }

        double[]?[] near = new double[]?[all.Length];
        IReadOnlyList<ScalingPoint>[] points = [.. all.Select(one => one.Points)];
        ScalingLaw[] laws = Laws(points, options.SharedFloor, near);
        int ground = Array.IndexOf(all, baseline);
        int[] others = [.. Enumerable.Range(0, all.Length).Where(i => i != ground)];
        double[] at = [.. others.Select(i => CommonFlops(baseline, laws[ground], all[i], laws[i], options))];

        ScalingLaw[][] resampled = [.. Resample(all, options, near)];
        return new ScalingResult(
            options.SharedFloor,
            baseline.Name,
            [.. all.Select((one, i) => new ScalingCurve(
                one.Name,
                one.Points,
                laws[i],
                ScalingInterval.Of(resampled.Select(draw => draw[i].E)),
                ScalingInterval.Of(resampled.Select(draw => draw[i].A)),
                ScalingInterval.Of(resampled.Select(draw => draw[i].Alpha)),
                Band(one, [.. resampled.Select(draw => draw[i])])))],
            [.. others.Select((i, place) => new ScalingAdvantage(
                all[i].Name,
                Advantage(laws[ground], laws[i], at[place]),
                ScalingInterval.Of(resampled.Select(draw => Advantage(draw[ground], draw[i], at[place]))),
                at[place],
                laws[ground].LossAt(at[place])))]);
    }

    private static ScalingArchitecture Sorted(ScalingArchitecture architecture) =>
        architecture with { Points = [.. architecture.Points.OrderBy(point => point.Flops)] };

    private static void CheckSizes(ScalingArchitecture one, ScalingOptions options)
    {
        int needed = options.SharedFloor ? SizesForSharedFloor : SizesForOwnFloor;
        if (one.Sizes < needed)
        {
            string hint = !options.SharedFloor && one.Sizes >= SizesForSharedFloor ? ", or --shared-floor" : "";
            throw new DynConvException($"'{one.Name}' has runs of {one.Sizes} sizes, and a law with three constants needs {needed}{hint}.");
        }

        // Of three runs there is one draw with three sizes: themselves. It would feign an interval without width.
        if (one.Points.Count < RunsForInterval)
        {
            throw new DynConvException($"'{one.Name}' has {one.Points.Count} runs, and an interval needs {RunsForInterval}; train another seed or size.");
        }

        if (one.MostFlops < LeastSpan * one.LeastFlops)
        {
            throw new DynConvException($"The compute of the runs of '{one.Name}' differs by less than a factor of {LeastSpan}; a law needs more.");
        }

        double MeanLoss(double flops) => one.Points.Where(point => point.Flops == flops).Average(point => point.Loss);
        if (MeanLoss(one.MostFlops) >= MeanLoss(one.LeastFlops))
        {
            throw new DynConvException($"The loss of '{one.Name}' does not fall with compute, so no law of the form {ScalingResult.Form} fits it.");
        }
    }

    private static ScalingLaw[] Laws(IReadOnlyList<IReadOnlyList<ScalingPoint>> points, bool sharedFloor, double[]?[] near) => sharedFloor
        ? LawFitter.Fit(points, ref near[0])
        : [.. points.Select((own, i) => LawFitter.Fit([own], ref near[i])[0])];

    private static IEnumerable<ScalingLaw[]> Resample(ScalingArchitecture[] all, ScalingOptions options, double[]?[] near)
    {
        var random = new RandomSource(options.Seed);
        for (int i = 0; i < options.Resamples; i++)
        {
            IReadOnlyList<ScalingPoint>[] drawn = [.. all.Select(one => Draw(one, random))];
            yield return Laws(drawn, options.SharedFloor, (double[]?[])near.Clone());
        }
    }

    private static ScalingBandPoint[] Band(ScalingArchitecture one, ScalingLaw[] resampled)
    {
        double ratio = Math.Pow(one.MostFlops / one.LeastFlops, 1.0 / (BandPoints - 1));
        return [.. Enumerable.Range(0, BandPoints).Select(i =>
        {
            double flops = one.LeastFlops * Math.Pow(ratio, i);
            return new ScalingBandPoint(flops, ScalingInterval.Of(resampled.Select(law => law.LossAt(flops))));
        })];
    }

    /// <summary>Runs drawn with replacement; a draw of too few sizes says nothing about a law and is drawn again.</summary>
    private static ScalingPoint[] Draw(ScalingArchitecture one, RandomSource random)
    {
        while (true)
        {
            ScalingPoint[] drawn = [.. one.Points.Select(_ => one.Points[(int)(random.NextDouble() * one.Points.Count)])];
            if (drawn.Select(point => point.Flops).Distinct().Count() >= SizesForSharedFloor)
            {
                return drawn;
            }
        }
    }

    /// <summary>The most compute of the baseline that reaches a loss which the other's runs reach too.</summary>
    private static double CommonFlops(
        ScalingArchitecture baseline, ScalingLaw baselineLaw, ScalingArchitecture other, ScalingLaw otherLaw, ScalingOptions options)
    {
        double lowest = otherLaw.LossAt(other.MostFlops);
        double highest = otherLaw.LossAt(other.LeastFlops);
        double most = Math.Min(baseline.MostFlops, baselineLaw.FlopsFor(lowest));
        double least = Math.Max(baseline.LeastFlops, baselineLaw.FlopsFor(highest));
        if (!(least <= most))
        {
            throw new DynConvException(
                $"The losses of '{baseline.Name}' and '{other.Name}' do not overlap, so their compute for the same loss cannot be compared; train sizes between them.");
        }

        return options.AtFlops is not { } asked ? most
            : asked >= least && asked <= most ? asked
            : throw new DynConvException(
                $"At {asked:0.###e+0} operations '{baseline.Name}' and '{other.Name}' cannot be compared: their runs overlap from {least:0.###e+0} to {most:0.###e+0}.");
    }

    private static double Advantage(ScalingLaw baseline, ScalingLaw other, double flops) => flops / other.FlopsFor(baseline.LossAt(flops));
}
