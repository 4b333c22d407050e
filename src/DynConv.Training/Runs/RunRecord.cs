using DynConv.Models;
using DynConv.Models.Layers;

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
    /// <summary>What of its metrics is no line of them and was left out, in a sentence; null if nothing.</summary>
    public string? LeftOut { get; init; }

    /// <summary>As <see cref="RunTokenizer.Identity"/> has it.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Whether it was trained and validated to its end, and its model is there.</summary>
    public bool IsFinished => Model is not null && Loss is not null;

    /// <summary>Tokens that its steps learn from, all of the run.</summary>
    public long Tokens => Configuration.Steps!.Value * Configuration.Batch!.Value * Configuration.Context!.Value * Configuration.Accumulate;

    /// <summary>Whether a folder holds a run.</summary>
    /// <param name="folder">A folder, there or not.</param>
    public static bool IsRun(string folder) => File.Exists(Path.Combine(folder, RunFile.Name));

    /// <summary>Reads a run's folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="mixers">The kinds of mixers that its model may have; this library's if not given.</param>
    /// <exception cref="DynConvException">It holds no run, or one of its files is damaged.</exception>
    public static RunRecord Read(string folder, MixerKinds? mixers = null)
    {
        if (!IsRun(folder))
        {
            throw new DynConvException($"{folder} holds no run: there is no {Path.Combine(folder, RunFile.Name)}.");
        }

        mixers ??= MixerKinds.BuiltIn;
        TrainingConfiguration configuration = RunFile.Read(Path.Combine(folder, RunFile.Name)) with { Mixers = mixers };
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
            hasModel ? ConfigurationFile.Read(Path.Combine(folder, ModelFolder.ConfigurationFileName), mixers) : null,
            metrics.Steps,
            validated ? metrics.Loss : null,
            metrics.ValidationTokens,
            metrics.MedianSpeed)
        {
            LeftOut = metrics.LeftOut,
            Tokenizer = RunTokenizer.Identity(folder),
        };
    }

    /// <summary>What is of interest in <c>metrics.jsonl</c>.</summary>
    private sealed class Metrics
    {
        private readonly List<double> _speeds = [];

        public string? LeftOut { get; private set; }

        public long Steps { get; private set; }

        public long ValidatedStep { get; private set; }

        public double Loss { get; private set; }

        public long ValidationTokens { get; private set; }

        public double MedianSpeed => _speeds.Where(double.IsFinite).Order().ToArray() is { Length: > 0 } speeds ? speeds[speeds.Length / 2] : 0;

        public static Metrics Read(string path)
        {
            var metrics = new Metrics();
            if (!File.Exists(path))
            {
                return metrics;
            }

            var reader = new MetricsReader(path);
            reader.Read(metrics.Add);
            metrics.LeftOut = reader.LeftOut;
            return metrics;
        }

        private void Add(MetricsRow row)
        {
            if (row.IsTraining)
            {
                Steps = (long)row.Step;
                _speeds.Add(row["tokens_per_second"]);
            }
            else if (double.IsFinite(row["valid_loss"]))
            {
                Loss = row["valid_loss"];
                ValidationTokens = row["valid_tokens"] is >= 0 and < 1L << 53 and double tokens ? (long)tokens : 0;
                ValidatedStep = (long)row.Step;
            }
        }
    }
}
