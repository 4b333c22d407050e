using System.Diagnostics;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;

namespace DynConv.Cli.Display;

/// <summary>Progress as lines of text, for logs and pipes.</summary>
internal sealed class PlainTrainingDisplay(TextWriter output) : TrainingDisplay
{
    // A log wants a line now and then, not one for each of thousands of steps.
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly Stopwatch _sinceLine = Stopwatch.StartNew();
    private bool _first = true;

    public override void OnEncoding(long bytes, long totalBytes)
    {
        if (IsDue())
        {
            output.WriteLine($"encoding {bytes:N0} of {totalBytes:N0} bytes");
        }
    }

    public override void OnStart(RunStart start)
    {
        (string model, string data) = Describe(start);
        output.WriteLine(model);
        output.WriteLine(data);
        foreach (string line in DescribeData(start))
        {
            output.WriteLine(Printable.Text(line));
        }

        if (Continuing(start) is { Length: > 0 } continuing)
        {
            output.WriteLine(continuing);
        }

        _first = true;
    }

    public override void OnPreparing() => WriteAtOnce(Preparing);

    public override void OnPrepared(int kernels, double seconds) => WriteAtOnce(Prepared(kernels, seconds));

    public override void OnStep(StepMetrics step)
    {
        if (_first || step.Step == step.Steps || IsDue())
        {
            _first = false;
            output.WriteLine(
                $"step {step.Step}/{step.Steps}  loss {step.Loss:0.0000}  lr {step.LearningRate:0.00e+0}  {Speed(step)}  {Durations.Format(step.SecondsLeft)} left");
            output.Flush();
        }
    }

    public override void OnValidating(long step, EvaluationProgress progress, double secondsLeft)
    {
        if (IsDue())
        {
            WriteAtOnce($"step {step}  validating {progress.Windows:N0} of {progress.TotalWindows:N0} windows  {Durations.Format(secondsLeft)} left");
        }
    }

    public override void OnValidation(long step, EvaluationResult result)
    {
        output.WriteLine($"step {step}  valid loss {result.Loss:0.0000}");
        output.Flush();
    }

    public override void OnCheckpoint(long step, string path) => output.WriteLine($"step {step}  checkpoint {path}");

    public override void OnNote(string note) => WriteAtOnce($"note: {note}");

    public override void OnStopping() => WriteAtOnce(Stopping);

    public override void Dispose() => output.Flush();

    private void WriteAtOnce(string line)
    {
        output.WriteLine(line);
        output.Flush();
    }

    private bool IsDue()
    {
        bool due = _sinceLine.Elapsed >= Interval;
        if (due)
        {
            _sinceLine.Restart();
        }

        return due;
    }
}
