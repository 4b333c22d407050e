using System.Diagnostics;
using DynConv.Experiments.Ablations;
using DynConv.Training.Runs;

namespace DynConv.Cli.Display;

/// <summary>Progress of a grid as lines of text, for logs and pipes.</summary>
internal sealed class PlainAblationDisplay(TextWriter output) : AblationDisplay
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private readonly Stopwatch _sinceLine = Stopwatch.StartNew();
    private StepMetrics? _step;
    private string _place = "";

    public override void OnRun(AblationCell cell, int number, int runs)
    {
        _place = $"[{number}/{runs}]";
        Write($"{_place} {cell.Name}");
    }

    public override void OnEncoding(long bytes, long totalBytes)
    {
        if (_sinceLine.Elapsed >= Interval)
        {
            Write($"encoding {bytes:N0} of {totalBytes:N0} bytes");
        }
    }

    public override void OnStep(StepMetrics step) => _step = step;

    public override void OnGridProgress(double secondsLeft)
    {
        if (_sinceLine.Elapsed >= Interval && _step is { } step)
        {
            Write($"{_place} step {step.Step}/{step.Steps}  loss {step.Loss:0.0000}  {step.TokensPerSecond:N0} tokens/s  {Durations.Format(secondsLeft)} left for all");
        }
    }

    public override void OnRunEnd(AblationCell cell, AblationSeed result) => Write($"{_place} {Line(cell, result)}");

    public override void OnNote(string note) => Write($"note: {note}");

    public override void OnStopping() => Write(Stopping);

    public override void Dispose() => output.Flush();

    private void Write(string line)
    {
        _sinceLine.Restart();
        output.WriteLine(line);
        output.Flush();
    }
}
