using System.Text.Json.Nodes;
using DynConv.Modules;
using DynConv.Experiments.Scaling;

namespace DynConv.Experiments.Tests.Scaling;

public sealed class ScalingFitTests
{
    private static readonly ScalingLaw Plain = new(1.7, 400, 0.16);
    private static readonly ScalingLaw Better = new(1.7, 380, 0.16);
    private static readonly double[] Sizes = [1e15, 4e15, 2e16, 1e17, 5e17, 2e18];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Planted_constants_are_found_again(bool shared)
    {
        ScalingResult result = ScalingFit.Fit([Planted("none", Plain), Planted("lowrank", Better)], Options(shared));
        AssertClose(Plain, result.Curves[0].Law, 1e-3);
        AssertClose(Better, result.Curves[1].Law, 1e-3);

        // With the same E and α, L - E is the same where A·C^-α is: C'/C = (A'/A)^(1/α).
        Assert.Equal(Math.Pow(400.0 / 380, 1 / 0.16), Assert.Single(result.Advantages).Factor, 1e-3);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 1)]
    [InlineData(true, 2)]
    public void With_noise_the_intervals_hold_what_was_planted(bool shared, ulong seed)
    {
        ScalingArchitecture[] noisy = [Planted("none", Plain, 0.004, seed), Planted("lowrank", Better, 0.004, seed + 100)];
        ScalingResult result = ScalingFit.Fit(noisy, Options(shared));
        foreach ((ScalingCurve curve, ScalingLaw law) in result.Curves.Zip([Plain, Better]))
        {
            AssertHolds(curve.E, law.E);
            AssertHolds(curve.A, law.A);
            AssertHolds(curve.Alpha, law.Alpha);
            AssertHolds(curve.Alpha, curve.Law.Alpha);
        }

        ScalingAdvantage advantage = Assert.Single(result.Advantages);
        AssertHolds(advantage.Interval, Math.Pow(400.0 / 380, 1 / 0.16));
        Assert.True(advantage.Interval.High - advantage.Interval.Low < 1, "An interval that says nothing holds everything.");
    }

    [Fact]
    public void A_band_holds_the_law_over_the_compute_of_its_runs()
    {
        ScalingCurve curve = ScalingFit.Fit([Planted("none", Plain, 0.004, 1)], Options(false)).Curves[0];
        Assert.Equal(Sizes[0], curve.Band[0].Flops);
        Assert.Equal(1, curve.Band[^1].Flops / Sizes[^1], 1e-12);
        Assert.Equal(curve.Band.OrderBy(at => at.Flops), curve.Band);
        Assert.All(curve.Band, at =>
        {
            AssertHolds(at.Loss, curve.Law.LossAt(at.Flops));
            AssertHolds(at.Loss, Plain.LossAt(at.Flops));
            Assert.True(at.Loss.High - at.Loss.Low < 0.02 * at.Loss.Low, "Runs with a noise of 0.4% place a law better than that.");
        });
    }

    [Fact]
    public void An_outlier_moves_a_robust_fit_little()
    {
        ScalingArchitecture clean = Planted("none", Plain, 0.001, 3);
        ScalingPoint[] points = [.. clean.Points];
        points[7] = points[7] with { Loss = points[7].Loss * 1.3 };
        ScalingResult result = ScalingFit.Fit([clean with { Points = points }], Options(false));
        Assert.Equal(Plain.LossAt(1e17), result.Curves[0].Law.LossAt(1e17), 0.01);
        Assert.Equal(Plain.Alpha, result.Curves[0].Law.Alpha, 0.02);
    }

    [Fact]
    public void The_same_runs_give_the_same_fit_to_the_last_bit()
    {
        ScalingArchitecture[] noisy = [Planted("none", Plain, 0.01, 1), Planted("lowrank", Better, 0.01, 2)];
        Assert.Equal(ScalingFit.Fit(noisy, Options(true)).ToJson(), ScalingFit.Fit(noisy, Options(true)).ToJson());
    }

    [Fact]
    public void The_file_has_the_agreed_shape()
    {
        JsonObject file = JsonNode.Parse(ScalingFit.Fit([Planted("none", Plain), Planted("lowrank", Better)], Options(true)).ToJson())!.AsObject();
        Assert.Equal(["form", "shared_floor", "baseline", "architectures", "advantage"], file.Select(pair => pair.Key));
        Assert.Equal("L = E + A·C^-α", (string)file["form"]!);
        JsonObject one = file["architectures"]![1]!.AsObject();
        Assert.Equal(["name", "points", "E", "A", "alpha", "interval", "band"], one.Select(pair => pair.Key));
        Assert.Equal(["flops", "loss", "parameters", "run"], one["points"]![0]!.AsObject().Select(pair => pair.Key));
        Assert.Equal(["architecture", "factor", "low", "high", "at_flops"], file["advantage"]![0]!.AsObject().Select(pair => pair.Key));
    }

    [Fact]
    public void An_advantage_can_be_asked_for_at_a_compute_where_both_have_runs()
    {
        ScalingArchitecture[] both = [Planted("none", Plain), Planted("lowrank", Better)];
        Assert.Equal(1e16, Assert.Single(ScalingFit.Fit(both, Options(true) with { AtFlops = 1e16 }).Advantages).AtFlops);
        Assert.Contains("their runs overlap from ", Failure(both, Options(true) with { AtFlops = 1e21 }), StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_fitted_is_refused_in_a_sentence()
    {
        ScalingArchitecture none = Planted("none", Plain);
        ScalingArchitecture Of(params double[] sizes) => new("lowrank", [.. sizes.Select(size => Point(Better, size, 0))]);

        Assert.Contains("no run of the baseline 'none'; the runs are of lowrank", Failure([Of(Sizes)]), StringComparison.Ordinal);
        Assert.Contains("'lowrank' has runs of 3 sizes, and a law with three constants needs 4, or --shared-floor", Failure([none, Of(1e15, 1e16, 1e17)]), StringComparison.Ordinal);
        Assert.Contains("'lowrank' has 3 runs, and an interval needs 4", Failure([none, Of(1e15, 1e16, 1e17)], Options(true)), StringComparison.Ordinal);
        Assert.Contains("'lowrank' has runs of 2 sizes", Failure([none, Of(1e15, 1e16)], Options(true)), StringComparison.Ordinal);
        Assert.Contains("differs by less than a factor of 2", Failure([none, Of(1e15, 1.1e15, 1.2e15, 1.3e15)]), StringComparison.Ordinal);
        Assert.Contains(
            "'lowrank' do not overlap",
            Failure([none, new ScalingArchitecture("lowrank", [.. Sizes.Select(size => Point(new ScalingLaw(0.2, 100, 0.16), size, 0))])]),
            StringComparison.Ordinal);
        Assert.Contains(
            "does not fall with compute",
            Failure([none, new ScalingArchitecture("static", [.. Sizes.Select(size => new ScalingPoint(size, Math.Log(size), 1, ""))])]),
            StringComparison.Ordinal);
    }

    private static ScalingOptions Options(bool shared) => new() { SharedFloor = shared, Resamples = 100 };

    private static string Failure(ScalingArchitecture[] architectures, ScalingOptions? options = null) =>
        Assert.Throws<DynConvException>(() => ScalingFit.Fit(architectures, options ?? Options(false))).Message;

    private static ScalingArchitecture Planted(string name, ScalingLaw law, double noise = 0, ulong seed = 0)
    {
        const int Seeds = 3;
        var random = new RandomSource(seed);
        return new ScalingArchitecture(name, [.. Sizes.SelectMany(size =>
            Enumerable.Range(0, Seeds).Select(_ => Point(law, size, noise * random.NextNormal())))]);
    }

    private static ScalingPoint Point(ScalingLaw law, double flops, double deviation) =>
        new(flops, law.LossAt(flops) * Math.Exp(deviation), 1, $"{flops}");

    private static void AssertClose(ScalingLaw expected, ScalingLaw actual, double tolerance)
    {
        Assert.InRange(actual.E / expected.E, 1 - tolerance, 1 + tolerance);
        Assert.InRange(actual.A / expected.A, 1 - (20 * tolerance), 1 + (20 * tolerance));
        Assert.InRange(actual.Alpha / expected.Alpha, 1 - tolerance, 1 + tolerance);
    }

    private static void AssertHolds(ScalingInterval interval, double value) => Assert.InRange(value, interval.Low, interval.High);
}
