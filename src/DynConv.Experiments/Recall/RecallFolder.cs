using System.Text.Json;
using System.Text.Json.Nodes;
using DynConv.Serialization;

namespace DynConv.Experiments.Recall;

/// <summary>
/// The folder of an experiment: <c>recall.json</c>, an array with an object for each model and number of pairs, and
/// <c>accuracy.svg</c>. Both are written after each task and are complete at any moment.
/// </summary>
public sealed class RecallFolder : IDisposable
{
    /// <summary>The figures.</summary>
    public const string ResultsName = "recall.json";

    /// <summary>Accuracy against the number of pairs.</summary>
    public const string ChartName = "accuracy.svg";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly string _path;
    private readonly bool _made;

    private RecallFolder(string path, bool made) => (_path, _made) = (path, made);

    /// <summary>The file of figures.</summary>
    public string Results => Path.Combine(_path, ResultsName);

    /// <summary>The picture.</summary>
    public string Chart => Path.Combine(_path, ChartName);

    /// <summary>Makes the folder unless it is there; what it may hold already is left alone.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="DynConvException">It holds results, is not a folder or cannot be made.</exception>
    public static RecallFolder Claim(string path)
    {
        if (File.Exists(path))
        {
            throw new DynConvException($"{path} is a file; results need a folder.");
        }

        if (File.Exists(Path.Combine(path, ResultsName)))
        {
            throw new DynConvException($"{path} holds results already; use another folder.");
        }

        try
        {
            bool made = !Directory.Exists(path);
            Directory.CreateDirectory(path);
            return new RecallFolder(path, made);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"The folder {path} cannot be made: {exception.Message}", exception);
        }
    }

    /// <summary>Writes all results that there are.</summary>
    /// <param name="results">A task each.</param>
    public void Write(IReadOnlyList<RecallResult> results)
    {
        AtomicFile.WriteAllText(Results, new JsonArray([.. results.SelectMany(Rows)]).ToJsonString(Json) + "\n");
        AtomicFile.WriteAllText(Chart, RecallChart.Draw(results));
    }

    /// <summary>Removes the folder if it was made for nothing.</summary>
    public void Dispose()
    {
        if (_made && Directory.Exists(_path) && !Directory.EnumerateFileSystemEntries(_path).Any())
        {
            Directory.Delete(_path);
        }
    }

    private static IEnumerable<JsonNode> Rows(RecallResult result) =>
        from run in result.Runs
        from index in Enumerable.Range(0, result.Settings.Pairs.Count)
        select Row(result, run, index);

    private static JsonNode Row(RecallResult result, RecallOutcome run, int index)
    {
        RecallSettings settings = result.Settings;
        return JsonSerializer.SerializeToNode(
            new
            {
                Task = result.Task.Name,
                Pairs = settings.Pairs[index],
                run.Run.Conv,
                run.Run.Seed,
                settings.Steps,
                Accuracy = run.Accuracy[index],
                run.Run.LearningRate,
                run.Parameters,
                run.Diverged,
                run.Seconds,
                Curve = run.Curve.Select(point => new { point.Step, point.Loss, Accuracy = point.Accuracy[index] }),
                Sweep = result.Sweep
                    .Where(other => other.Run.Conv == run.Run.Conv)
                    .Select(other => new { other.Run.LearningRate, ValidationAccuracy = other.Validation }),
                Configuration = new
                {
                    Task = JsonSerializer.SerializeToNode(result.Task, result.Task.GetType(), Json),
                    settings.Model,
                    Training = new
                    {
                        settings.Pairs,
                        settings.Seeds,
                        settings.Steps,
                        settings.TokensPerStep,
                        settings.LearningRates,
                        settings.WeightDecay,
                        settings.TestKeys,
                    },
                },
            },
            Json)!;
    }
}
