using System.Globalization;
using System.Text.Json;
using DynConv.Models;
using DynConv.Serialization;
using DynConv.Training.Optimization;

namespace DynConv.Training.Runs;

/// <summary>Where a run stands, beside its weights and moments.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Data">Fingerprint of the tokens; which of them come next follows from the step.</param>
/// <param name="MetricsBytes">Length of <c>metrics.jsonl</c> at that moment.</param>
/// <param name="Seconds">Time spent so far.</param>
internal sealed record RunState(long Step, string Data, long MetricsBytes, double Seconds);

/// <summary>
/// A run's <c>checkpoints</c>: one folder each, complete or absent, the latest two kept.
/// </summary>
internal sealed class CheckpointStore(string runFolder)
{
    private const string Weights = "model.safetensors";
    private const string Moments = "optimizer.safetensors";
    private const string StateFile = "state.json";
    private const string Prefix = "step-";
    private const int Kept = 2;

    private static readonly JsonSerializerOptions Strict = new()
    {
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
    };

    private readonly string _folder = Path.Combine(runFolder, "checkpoints");

    /// <summary>Folder of the newest complete checkpoint; null if there is none.</summary>
    public string? Latest => Complete().LastOrDefault();

    /// <summary>Writes a checkpoint and removes those that are no longer needed.</summary>
    /// <returns>Its folder.</returns>
    public string Save(LanguageModel model, AdamWOptimizer optimizer, RunState state)
    {
        Directory.CreateDirectory(_folder);
        string path = Path.Combine(_folder, $"{Prefix}{state.Step:D9}");
        AtomicFolder.Write(path, temporary =>
        {
            ModelFolder.WriteWeights(Path.Combine(temporary, Weights), model);
            optimizer.Save(Path.Combine(temporary, Moments));
            AtomicFile.WriteAllText(Path.Combine(temporary, StateFile), JsonSerializer.Serialize(state));
        });
        foreach (string old in Complete().SkipLast(Kept))
        {
            Directory.Delete(old, recursive: true);
        }

        return path;
    }

    /// <summary>
    /// Reads the newest checkpoint into a model and its optimizer. A damaged one is an error that says how to go on
    /// without it: passing over it in silence would hide that the disk loses data.
    /// </summary>
    /// <returns>Where the run stands; null if there is no checkpoint.</returns>
    public RunState? LoadLatest(LanguageModel model, AdamWOptimizer optimizer)
    {
        List<string> complete = Complete();
        if (complete.Count == 0)
        {
            return null;
        }

        try
        {
            return Load(complete[^1], model, optimizer);
        }
        catch (Exception exception) when (exception is DynConvException or IOException or UnauthorizedAccessException or JsonException)
        {
            string before = complete.Count > 1 ? complete[^2] : "its start";
            throw new DynConvException(
                $"The checkpoint {complete[^1]} cannot be used: {exception.Message} If you delete it, the run continues from {before}.",
                exception);
        }
    }

    private static RunState Load(string path, LanguageModel model, AdamWOptimizer optimizer)
    {
        using (var reader = new CheckpointReader(path))
        {
            ModelFolder.ReadWeights(reader, model, path);
        }

        optimizer.Load(Path.Combine(path, Moments));
        string state = Path.Combine(path, StateFile);
        return JsonSerializer.Deserialize<RunState>(File.ReadAllText(state), Strict)
            ?? throw new DynConvException($"{state} is empty.");
    }

    private List<string> Complete() => !Directory.Exists(_folder)
        ? []
        : [.. Directory.GetDirectories(_folder, Prefix + "*")
            .Where(path => long.TryParse(Path.GetFileName(path)[Prefix.Length..], NumberStyles.None, null, out _))
            .Order(StringComparer.Ordinal)];
}
