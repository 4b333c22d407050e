using System.Diagnostics;
using System.Globalization;
using DynConv.Experiments.Recall;

namespace DynConv.Cli.Display;

/// <summary>What a recall experiment found, as text.</summary>
internal sealed class RecallReport(CliContext context)
{
    private const int CurveSamples = 5;

    private readonly Stopwatch _watch = Stopwatch.StartNew();

    public void Begin(RecallSettings settings, string device)
    {
        RecallModel model = settings.Model;
        Write($"{model.Layers} layers, {model.Channels} channels, {model.Heads} {(model.Heads == 1 ? "head" : "heads")}, feed-forward {model.FeedForward}; "
            + $"{settings.Steps:N0} steps of {settings.TokensPerStep:N0} tokens on {device}; "
            + $"{settings.Seeds} {(settings.Seeds == 1 ? "seed" : "seeds")}, learning rates {string.Join(", ", settings.LearningRates)}");
    }

    public void Examples(IRecallTask task, IReadOnlyList<string> lines)
    {
        Write("");
        Write($"{task.Name}: {task.Summary}");
        foreach (string line in lines)
        {
            Write($"  {line}");
        }
    }

    public void Task(RecallResult result)
    {
        RecallSettings settings = result.Settings;
        Write("");
        Write($"{result.Task.Name}: accuracy in %, median of {settings.Seeds} (lowest to highest), by number of pairs");
        Write($"{"",-10}{string.Concat(settings.Pairs.Select(pairs => $"{pairs,-24}"))}{"lr",-8}{"parameters",10}");
        foreach (string conv in settings.Convolutions)
        {
            RecallOutcome first = result.Of(conv)[0];
            Write($"{conv,-10}{string.Concat(settings.Pairs.Select(pairs => $"{Cell(result.Accuracy(conv, pairs)),-24}"))}{first.Run.LearningRate,-8}{first.Parameters,10:N0}");
        }

        int most = settings.Pairs.Max();
        Write($"learning curves, {most} pairs:");
        foreach (string conv in settings.Convolutions)
        {
            Write($"{conv,-10}{Curve(result.Curve(conv, most))}");
        }

        Write(RecallFinding.Describe(result));
        context.Out.Flush();
    }

    public void End(IReadOnlyList<RecallResult> results, RecallFolder? folder)
    {
        Write("");
        foreach (RecallResult result in results)
        {
            Write($"{result.Task.Name,-14}{RecallFinding.Describe(result)}");
        }

        if (folder is not null)
        {
            Write($"{"Figures",-14}{folder.Results}");
            Write($"{"Picture",-14}{folder.Chart}");
        }

        Write($"{"Time",-14}{Durations.Format(_watch.Elapsed.TotalSeconds)}");
    }

    private static string Cell(RecallSpread spread) => string.Create(
        CultureInfo.InvariantCulture, $"{100 * spread.Median:0.0} ({100 * spread.Least:0.0} to {100 * spread.Most:0.0})");

    private string Curve(IReadOnlyList<(int Step, double Accuracy)> points)
    {
        if (points.Count == 0)
        {
            return "none: a training diverged";
        }

        if (context.IsInteractive)
        {
            return $"{Sparkline.Of(points.Select(point => point.Accuracy), 0, 1)}  {100 * points[^1].Accuracy:0} %";
        }

        int samples = Math.Min(CurveSamples, points.Count);
        return string.Join("  ", Enumerable.Range(1, samples)
            .Select(sample => points[(sample * points.Count / samples) - 1])
            .Select(point => $"step {point.Step}: {100 * point.Accuracy:0}"));
    }

    private void Write(string line) => context.Out.WriteLine(line);
}
