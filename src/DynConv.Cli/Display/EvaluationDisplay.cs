using System.Globalization;
using DynConv.Training.Data;
using DynConv.Training.Evaluation;

namespace DynConv.Cli.Display;

/// <summary>
/// How far an evaluation has come and how long it still takes: one line that a terminal writes over, and elsewhere a line on
/// standard error every few seconds, so that standard output holds the result alone.
/// </summary>
/// <param name="context">Where it is shown.</param>
/// <param name="clock">Tells the time.</param>
internal sealed class EvaluationDisplay(CliContext context, TimeProvider clock) : IProgress<EncodingProgress>, IProgress<EvaluationProgress>, IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly ProgressLine _line = new(context.Screen);
    private readonly long _started = clock.GetTimestamp();
    private long _shown = clock.GetTimestamp();
    private long? _measuring;

    public void Report(EncodingProgress value)
    {
        _measuring = clock.GetTimestamp();
        Show(string.Create(CultureInfo.InvariantCulture, $"encoding {value.BytesRead / 1e6:N1} of {value.TotalBytes / 1e6:N1} MB"));
    }

    public void Report(EvaluationProgress value)
    {
        double seconds = clock.GetElapsedTime(_measuring ?? _started).TotalSeconds;
        double left = seconds * (value.TotalWindows - value.Windows) / value.Windows;
        Show(string.Create(CultureInfo.InvariantCulture, $"evaluating {100 * value.Windows / value.TotalWindows}%, {Durations.Format(left)} left"));
    }

    public void Dispose() => _line.Dispose();

    private void Show(string text)
    {
        if (context.IsInteractive)
        {
            _line.Show(text[..Math.Min(text.Length, Math.Max(1, context.Terminal.Profile.Width - 1))]);
        }
        else if (clock.GetElapsedTime(_shown) >= Interval)
        {
            _shown = clock.GetTimestamp();
            context.Error.WriteLine(text);
            context.Error.Flush();
        }
    }
}
