using System.Text.Json.Serialization;
using DynConv.Diagnostics;

namespace DynConv.Training.Diagnostics;

/// <summary>What <see cref="TrainingBenchmark"/> found.</summary>
public sealed record TrainingTiming
{
    /// <summary>The model's preset.</summary>
    [JsonPropertyName("model")]
    public required string Model { get; init; }

    /// <summary><c>none</c>, or the kind of the short convolutions.</summary>
    [JsonPropertyName("conv")]
    public required string Convolutions { get; init; }

    /// <summary>Linear layers that have a convolution.</summary>
    [JsonPropertyName("placement")]
    public required IReadOnlyList<string> Placement { get; init; }

    /// <summary>Number of parameters.</summary>
    [JsonPropertyName("parameters")]
    public required long Parameters { get; init; }

    /// <summary>Number of different ids.</summary>
    [JsonPropertyName("vocabulary_size")]
    public required int VocabularySize { get; init; }

    /// <summary>Sequences of a micro-batch.</summary>
    [JsonPropertyName("batch")]
    public required int Batch { get; init; }

    /// <summary>Micro-batches of a step.</summary>
    [JsonPropertyName("accumulate")]
    public required int Accumulate { get; init; }

    /// <summary>Tokens of a sequence.</summary>
    [JsonPropertyName("context")]
    public required int Context { get; init; }

    /// <summary>Whether documents in a sequence do not see one another; those of the random ids are an eighth of it long.</summary>
    [JsonPropertyName("pack")]
    public required bool IsPacked { get; init; }

    /// <summary>Whether the backward pass computed each layer again.</summary>
    [JsonPropertyName("recompute")]
    public bool IsRecomputed { get; init; }

    /// <summary>What changes the weights.</summary>
    [JsonPropertyName("optimizer")]
    public required string Optimizer { get; init; }

    /// <summary>Where it ran.</summary>
    [JsonPropertyName("device")]
    public required string Device { get; init; }

    /// <summary>What the device calls itself.</summary>
    [JsonPropertyName("device_name")]
    public required string DeviceName { get; init; }

    /// <summary>What was computed in.</summary>
    [JsonPropertyName("dtype")]
    public required string DType { get; init; }

    /// <summary>Steps that were measured.</summary>
    [JsonPropertyName("steps")]
    public required int Steps { get; init; }

    /// <summary>Median time of a step in milliseconds.</summary>
    [JsonPropertyName("step_ms")]
    public required double StepMs { get; init; }

    /// <summary>The shortest.</summary>
    [JsonPropertyName("fastest_step_ms")]
    public required double FastestStepMs { get; init; }

    /// <summary>The longest.</summary>
    [JsonPropertyName("slowest_step_ms")]
    public required double SlowestStepMs { get; init; }

    /// <summary>The most that tensors took on the device at any one time, in bytes: weights, gradients, moments and activations.</summary>
    [JsonPropertyName("peak_bytes")]
    public required long PeakBytes { get; init; }

    /// <summary>Bytes that were taken from the device for that.</summary>
    [JsonPropertyName("reserved_bytes")]
    public required long ReservedBytes { get; init; }

    /// <summary>Multiplications and additions of a token, forward and backward (<see cref="Models.FlopCounts"/>).</summary>
    [JsonPropertyName("flop_per_token")]
    public required long FlopPerToken { get; init; }

    /// <summary>What the card's maker states (<see cref="PeakRates"/>), in 10¹² operations a second; null where it is not known.</summary>
    [JsonPropertyName("peak_tflop_per_s")]
    public required double? PeakTflopPerS { get; init; }

    /// <summary>What the device reaches at best, measured in the same run.</summary>
    [JsonPropertyName("ceilings")]
    public required DeviceCeilings Ceilings { get; init; }

    /// <summary>The kernels of one step, timed one by one; none on the CPU.</summary>
    [JsonPropertyName("kernels")]
    public required IReadOnlyList<KernelTime> Kernels { get; init; }

    /// <summary>Tokens a second.</summary>
    [JsonPropertyName("tokens_per_second")]
    public double TokensPerSecond => (double)Batch * Accumulate * Context / StepMs * 1e3;

    /// <summary>Operations of the model that were done, in 10¹² a second.</summary>
    [JsonPropertyName("tflop_per_s")]
    public double TflopPerS => TokensPerSecond * FlopPerToken / 1e12;

    /// <summary>Model FLOPs utilisation: <see cref="TflopPerS"/> as a share of <see cref="PeakTflopPerS"/>.</summary>
    [JsonPropertyName("mfu")]
    public double? Utilization => TflopPerS / PeakTflopPerS;

    /// <summary><see cref="TflopPerS"/> as a share of a large matrix product's rate.</summary>
    [JsonPropertyName("of_product")]
    public double OfProduct => TflopPerS / Ceilings.ProductTflopPerS;

    /// <summary>The kernels' groups, those that took longest first.</summary>
    [JsonPropertyName("groups")]
    public IReadOnlyList<KernelGroupTime> Groups =>
    [
        .. Kernels.GroupBy(static kernel => kernel.Group)
            .Select(group => (group.Key, Launches: group.Sum(kernel => kernel.Launches), Ms: group.Sum(kernel => kernel.Ms)))
            .Select(group => new KernelGroupTime(group.Key, group.Launches, group.Ms, group.Ms / StepMs))
            .OrderByDescending(static group => group.Ms),
    ];

    /// <summary>
    /// What of a step no kernel accounts for, in milliseconds; null without kernels. Below 0 where kernels overlap that were timed
    /// one by one.
    /// </summary>
    [JsonPropertyName("not_in_kernels_ms")]
    public double? NotInKernelsMs => Kernels.Count == 0 ? null : StepMs - Kernels.Sum(static kernel => kernel.Ms);
}

/// <summary>What a group of kernels took in a step.</summary>
/// <param name="Group">What they are for.</param>
/// <param name="Launches">How many ran.</param>
/// <param name="Ms">Milliseconds of all of them together.</param>
/// <param name="Share">The same as a share of the median step.</param>
public sealed record KernelGroupTime(
    [property: JsonPropertyName("group")] string Group,
    [property: JsonPropertyName("launches")] int Launches,
    [property: JsonPropertyName("ms")] double Ms,
    [property: JsonPropertyName("share")] double Share);
