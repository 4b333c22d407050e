using System.Text.Json;
using DynConv.Serialization;

namespace DynConv.Training.Runs;

/// <summary>Where a run stands, beside its weights and moments.</summary>
internal sealed record RunState
{
    public const string FileName = "state.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        WriteIndented = true,
    };

    /// <summary>Steps done.</summary>
    public required long Step { get; init; }

    /// <summary>Fingerprint of the tokens; which of them come next follows from the step.</summary>
    public required string Data { get; init; }

    /// <summary>Length of <c>metrics.jsonl</c> at that moment.</summary>
    public required long MetricsBytes { get; init; }

    /// <summary>SHA-256 of that part of <c>metrics.jsonl</c>.</summary>
    public required string MetricsSha256 { get; init; }

    /// <summary>Time spent so far.</summary>
    public required double Seconds { get; init; }

    /// <summary>Whether a validation that was due after the step has been done.</summary>
    public required bool Validated { get; init; }

    /// <summary>Of the validation after the step, if there was one.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>Reads the file of a checkpoint.</summary>
    /// <exception cref="DynConvException">It is missing or damaged.</exception>
    public static RunState Read(string checkpoint) => StrictJson.Read<RunState>(
        Path.Combine(checkpoint, FileName),
        Json,
        static state => state is { Step: > 0, MetricsBytes: >= 0 },
        "does not say where a run stands");

    public void Write(string checkpoint) =>
        AtomicFile.WriteAllText(Path.Combine(checkpoint, FileName), JsonSerializer.Serialize(this, Json) + "\n");
}
