using System.Text.Json;
using System.Text.Json.Nodes;
using DynConv.Models;

namespace DynConv.Training.Runs;

/// <summary>What a run's folder says of it, finished or not.</summary>
/// <param name="Folder">The run's folder.</param>
/// <param name="Configuration">What it trains, resolved.</param>
/// <param name="Model">The finished model's shape; null while there is none.</param>
/// <param name="StepsDone">The last step in its metrics.</param>
/// <param name="Loss">The finished model's validation loss; null while there is none.</param>
/// <param name="ValidationTokens">Tokens that the loss is the mean of.</param>
/// <param name="TokensPerSecond">Median speed of its steps; 0 without any.</param>
public sealed record RunRecord(
    string Folder,
    TrainingConfiguration Configuration,
    ModelConfiguration? Model,
    long StepsDone,
    double? Loss,
    long ValidationTokens,
    double TokensPerSecond)
{
    /// <summary>Whether it was trained and validated to its end, and its model is there.</summary>
    public bool IsFinished => Model is not null && Loss is not null;

    /// <summary>Tokens that its steps learn from, all of the run.</summary>
    public long Tokens => Configuration.Steps!.Value * Configuration.Batch!.Value * Configuration.Context!.Value * Configuration.Accumulate;

    /// <summary>Whether a folder holds a run.</summary>
    /// <param name="folder">A folder, there or not.</param>
    public static bool IsRun(string folder) => File.Exists(Path.Combine(folder, RunFile.Name));

    /// <summary>Reads a run's folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="DynConvException">It holds no run, or one of its files is damaged.</exception>
    public static RunRecord Read(string folder)
    {
        if (!IsRun(folder))
        {
            throw new DynConvException($"{folder} holds no run: there is no {Path.Combine(folder, RunFile.Name)}.");
        }

        TrainingConfiguration configuration = RunFile.Read(Path.Combine(folder, RunFile.Name));
        if (configuration is not { Steps: not null, Batch: not null, Context: not null })
        {
            throw new DynConvException($"{Path.Combine(folder, RunFile.Name)} is not the file of a run that was started: it lacks steps, batch or context.");
        }

        var metrics = Metrics.Read(Path.Combine(folder, MetricsLog.Name));

        // The weights are a run's last file; before them the model is not there for anybody.
        bool hasModel = File.Exists(Path.Combine(folder, "model.safetensors"));
        bool validated = metrics.ValidatedStep == configuration.Steps;
        return new RunRecord(
            folder,
            configuration,
            hasModel ? ConfigurationFile.Read(Path.Combine(folder, ModelFolder.ConfigurationFileName)) : null,
            metrics.Steps,
            validated ? metrics.Loss : null,
            metrics.ValidationTokens,
            metrics.MedianSpeed);
    }

    /// <summary>What is of interest in <c>metrics.jsonl</c>.</summary>
    private sealed class Metrics
    {
        private readonly List<double> _speeds = [];

        public long Steps { get; private set; }

        public long ValidatedStep { get; private set; }

        public double Loss { get; private set; }

        public long ValidationTokens { get; private set; }

        public double MedianSpeed => _speeds.Count == 0 ? 0 : _speeds.Order().ElementAt(_speeds.Count / 2);

        public static Metrics Read(string path)
        {
            var metrics = new Metrics();
            if (!File.Exists(path))
            {
                return metrics;
            }

            using var file = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            for (int number = 1; file.ReadLine() is { } line; number++)
            {
                try
                {
                    metrics.Add(JsonNode.Parse(line)!);
                }
                catch (Exception exception) when (exception is JsonException or InvalidOperationException or NullReferenceException or FormatException)
                {
                    // A process that was killed may have left half of its last line; resuming cuts it off.
                    if (file.Peek() >= 0)
                    {
                        throw new DynConvException($"{path}, line {number} is not a line of metrics.", exception);
                    }
                }
            }

            return metrics;
        }

        private void Add(JsonNode line)
        {
            long step = (long)line["step"]!;
            if (line["valid_loss"] is { } loss)
            {
                Loss = (double)loss;
                ValidationTokens = (long)line["valid_tokens"]!;
                ValidatedStep = step;
            }
            else
            {
                Steps = step;
                _speeds.Add((double)line["tokens_per_second"]!);
            }
        }
    }
}
