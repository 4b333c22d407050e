using DynConv.Experiments.Ablations;
using DynConv.Training.Runs;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DynConv.Cli.Display;

/// <summary>A line for each run that is over, and below them the one that runs, redrawn in place.</summary>
internal sealed class LiveAblationDisplay(IAnsiConsole terminal) : AblationDisplay
{
    private const int LabelWidth = 12;
    private const int MostCells = 40;
    private const int FewestCells = 8;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private ManualResetEventSlim? _over;
    private Task? _drawing;
    private StepMetrics? _step;
    private string _name = "";
    private string _status = "";
    private int _number;
    private int _runs;
    private double _secondsLeft = double.NaN;

    public override void OnRun(AblationCell cell, int number, int runs)
    {
        lock (_gate)
        {
            (_name, _number, _runs, _step) = (cell.Name, number, runs, null);
        }

        _over = new ManualResetEventSlim();
        _drawing = Task.Run(() => Draw(_over));
    }

    public override void OnEncoding(long bytes, long totalBytes) =>
        SetStatus($"encoding {bytes / 1e6:N1} of {totalBytes / 1e6:N1} MB");

    public override void OnPreparing() => SetStatus("compiling kernels …");

    public override void OnStart(RunStart start) => SetStatus("");

    public override void OnStep(StepMetrics step)
    {
        lock (_gate)
        {
            _step = step;
        }
    }

    public override void OnGridProgress(double secondsLeft)
    {
        lock (_gate)
        {
            _secondsLeft = secondsLeft;
        }
    }

    public override void OnRunEnd(AblationCell cell, AblationSeed result)
    {
        Close();
        terminal.MarkupLineInterpolated(result.Error is null ? $"{Line(cell, result)}" : (FormattableString)$"[red]{Line(cell, result)}[/]");
    }

    public override void OnNote(string note) => terminal.MarkupLineInterpolated($"[yellow]note: {note}[/]");

    public override void OnStopping() => SetStatus(Stopping);

    public override void Dispose() => Close();

    private void Close()
    {
        _over?.Set();
        _drawing?.Wait();
        _over?.Dispose();
        (_over, _drawing) = (null, null);
    }

    private void SetStatus(string status)
    {
        lock (_gate)
        {
            _status = _status == Stopping ? _status : status;
        }
    }

    private void Draw(ManualResetEventSlim over) => terminal.Live(Render()).AutoClear(true).Start(live =>
    {
        while (!over.Wait(Interval))
        {
            live.UpdateTarget(Render());
        }
    });

    private Rows Render()
    {
        lock (_gate)
        {
            int width = Math.Max(FewestCells, terminal.Profile.Width - LabelWidth - 1);
            var lines = new List<IRenderable> { Line("runs", Bar(_number - 1, _runs, width)), Line("run", Markup.Escape(Cut(_name, width))) };
            if (_step is { } step)
            {
                lines.Add(Line("step", Bar(step.Step, step.Steps, width)));
                lines.Add(Line("loss", $"[bold]{step.Loss:0.0000}[/]"));
                lines.Add(Line("speed", $"{step.TokensPerSecond:N0} tokens/s"));
                lines.Add(Line("time left", Cut($"{Durations.Format(step.SecondsLeft)}, {Durations.Format(_secondsLeft)} for all runs", width)));
            }

            if (_status.Length > 0)
            {
                lines.Add(Line("", $"[grey]{Markup.Escape(Cut(_status, width))}[/]"));
            }

            return new Rows(lines);
        }
    }

    private static Markup Line(string label, string value) => new($"[grey]{label.PadRight(LabelWidth)}[/]{value}");

    private static string Bar(long done, long all, int width)
    {
        string count = $" {done:N0}/{all:N0}";
        int cells = Math.Clamp(width - count.Length, FewestCells, MostCells);
        int filled = (int)(done * cells / all);
        return $"[green]{new string('━', filled)}[/][grey]{new string('─', cells - filled)}[/]{count}";
    }

    private static string Cut(string text, int width) => text[..Math.Min(width, text.Length)];
}
