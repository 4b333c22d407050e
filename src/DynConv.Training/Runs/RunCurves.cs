using System.Text.Json;
using System.Text.Json.Nodes;

namespace DynConv.Training.Runs;

/// <summary>The loss curves of a run, finished or not.</summary>
/// <param name="Training">Mean loss of each step.</param>
/// <param name="Validation">Loss of each validation.</param>
public sealed record RunCurves(
    IReadOnlyList<(double Step, double Loss)> Training, IReadOnlyList<(double Step, double Loss)> Validation)
{
    /// <summary>Name of the file in a run's folder that curves are read from.</summary>
    public const string FileName = MetricsLog.Name;

    /// <summary>Reads a run's <c>metrics.jsonl</c>.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <exception cref="DynConvException">The folder holds no run, or a line of the file is damaged.</exception>
    public static RunCurves Read(string folder)
    {
        string path = Path.Combine(folder, MetricsLog.Name);
        if (!File.Exists(path))
        {
            throw new DynConvException($"{folder} holds no run: there is no {path}.");
        }

        var training = new List<(double, double)>();
        var validation = new List<(double, double)>();
        using var file = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        for (int number = 1; file.ReadLine() is { } line; number++)
        {
            try
            {
                JsonNode node = JsonNode.Parse(line)!;
                double step = (double)node["step"]!;
                Add(training, step, node["loss"]);
                Add(validation, step, node["valid_loss"]);
            }
            catch (Exception exception) when (exception is JsonException or InvalidOperationException or NullReferenceException)
            {
                throw new DynConvException($"{path}, line {number} is not a line of metrics.", exception);
            }
        }

        return new RunCurves(training, validation);
    }

    private static void Add(List<(double Step, double Loss)> curve, double step, JsonNode? loss)
    {
        if (loss is not null)
        {
            curve.Add((step, (double)loss));
        }
    }
}
