using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using DynConv.Serialization;

namespace DynConv.Experiments.Scaling;

/// <summary>The fitted law of one architecture.</summary>
/// <param name="Name">The architecture's name.</param>
/// <param name="Points">Its runs, by compute.</param>
/// <param name="Law">The law that fits them best.</param>
/// <param name="E">Interval of <see cref="ScalingLaw.E"/>.</param>
/// <param name="A">Interval of <see cref="ScalingLaw.A"/>.</param>
/// <param name="Alpha">Interval of <see cref="ScalingLaw.Alpha"/>.</param>
/// <param name="Band">Intervals of the law's loss, over the compute of its runs.</param>
public sealed record ScalingCurve(
    string Name,
    IReadOnlyList<ScalingPoint> Points,
    ScalingLaw Law,
    ScalingInterval E,
    ScalingInterval A,
    ScalingInterval Alpha,
    IReadOnlyList<ScalingBandPoint> Band);

/// <summary>Where a law lies at one amount of compute.</summary>
/// <param name="Flops">Operations.</param>
/// <param name="Loss">Interval of the loss that they reach.</param>
public sealed record ScalingBandPoint(double Flops, ScalingInterval Loss);

/// <summary>How many times less compute than the baseline an architecture takes to the same loss.</summary>
/// <param name="Architecture">The architecture's name.</param>
/// <param name="Factor">By the fitted laws; 0 if it never gets there.</param>
/// <param name="Interval">Of the factor.</param>
/// <param name="AtFlops">Compute of the baseline.</param>
/// <param name="Loss">The loss that the baseline reaches with it.</param>
public sealed record ScalingAdvantage(string Architecture, double Factor, ScalingInterval Interval, double AtFlops, double Loss);

/// <summary>Scaling laws of several architectures: <c>scaling.json</c>.</summary>
/// <param name="SharedFloor">Whether all have one E.</param>
/// <param name="Baseline">The architecture that the others are compared with.</param>
/// <param name="Curves">One for each architecture.</param>
/// <param name="Advantages">One for each architecture but the baseline.</param>
public sealed record ScalingResult(
    bool SharedFloor, string Baseline, IReadOnlyList<ScalingCurve> Curves, IReadOnlyList<ScalingAdvantage> Advantages)
{
    /// <summary>The law in words.</summary>
    public const string Form = "L = E + A·C^-α";

    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The text of <c>scaling.json</c>.</summary>
    public string ToJson()
    {
        var root = new JsonObject
        {
            ["form"] = Form,
            ["shared_floor"] = SharedFloor,
            ["baseline"] = Baseline,
            ["architectures"] = new JsonArray([.. Curves.Select(Curve)]),
            ["advantage"] = new JsonArray([.. Advantages.Select(Advantage)]),
        };
        return root.ToJsonString(Format) + "\n";
    }

    /// <summary>Writes <c>scaling.json</c>; it is complete or as it was.</summary>
    /// <param name="path">The file.</param>
    public void Write(string path) => AtomicFile.WriteAllText(path, ToJson());

    private static JsonObject Curve(ScalingCurve curve) => new()
    {
        ["name"] = curve.Name,
        ["points"] = new JsonArray([.. curve.Points.Select(static point => new JsonObject
        {
            ["flops"] = point.Flops,
            ["loss"] = point.Loss,
            ["parameters"] = point.Parameters,
            ["run"] = point.Run,
        })]),
        ["E"] = curve.Law.E,
        ["A"] = curve.Law.A,
        ["alpha"] = curve.Law.Alpha,
        ["interval"] = new JsonObject { ["E"] = Interval(curve.E), ["A"] = Interval(curve.A), ["alpha"] = Interval(curve.Alpha) },
        ["band"] = new JsonArray([.. curve.Band.Select(static at => new JsonObject
        {
            ["flops"] = at.Flops,
            ["low"] = at.Loss.Low,
            ["high"] = at.Loss.High,
        })]),
    };

    private static JsonObject Advantage(ScalingAdvantage advantage) => new()
    {
        ["architecture"] = advantage.Architecture,
        ["factor"] = advantage.Factor,
        ["low"] = advantage.Interval.Low,
        ["high"] = advantage.Interval.High,
        ["at_flops"] = advantage.AtFlops,
    };

    private static JsonObject Interval(ScalingInterval interval) => new() { ["low"] = interval.Low, ["high"] = interval.High };
}
