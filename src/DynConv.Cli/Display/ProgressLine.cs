using System.Diagnostics;

namespace DynConv.Cli.Display;

/// <summary>One line of a terminal that is written over while work goes on, and is gone when it is done.</summary>
internal sealed class ProgressLine(TextWriter terminal) : IDisposable
{
    private const string EraseLine = "\r\e[K";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly Stopwatch _sinceShown = new();

    /// <summary>Shows a text that fits a line, unless the last one has just appeared.</summary>
    public void Show(string text)
    {
        if (!_sinceShown.IsRunning || _sinceShown.Elapsed >= Interval)
        {
            _sinceShown.Restart();
            terminal.Write(EraseLine + text);
            terminal.Flush();
        }
    }

    public void Dispose()
    {
        if (_sinceShown.IsRunning)
        {
            terminal.Write(EraseLine);
            terminal.Flush();
            _sinceShown.Reset();
        }
    }
}
