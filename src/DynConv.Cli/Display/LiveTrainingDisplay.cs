using System.Diagnostics;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;
using Spectre.Console;

namespace DynConv.Cli.Display;

/// <summary>Progress that redraws itself in place: a bar, the latest figures and the shape of the loss curve.</summary>
internal sealed class LiveTrainingDisplay : TrainingDisplay
{
    private const int CurveWidth = 48;
    private const string Levels = "▁▂▃▄▅▆▇█";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly IAnsiConsole _terminal;
    private readonly Stopwatch _sinceDraw = Stopwatch.StartNew();
    private readonly List<double> _losses = [];
    private readonly ManualResetEventSlim _done = new();
    private readonly Lock _gate = new();
    private Task? _drawing;
    private StepMetrics? _step;
    private (long Step, EvaluationResult Result)? _validation;
    private string _status = "";
    private bool _encoding;

    public LiveTrainingDisplay(IAnsiConsole terminal) => _terminal = terminal;

    public override void OnEncoding(long bytes, long totalBytes)
    {
        if (!_encoding || _sinceDraw.Elapsed >= Interval)
        {
            _encoding = true;
            _sinceDraw.Restart();
            _terminal.Write($"\rencoding {bytes / 1e6:N1} of {totalBytes / 1e6:N1} MB ");
        }
    }

    public override void OnStart(RunStart start)
    {
        if (_encoding)
        {
            _terminal.WriteLine();
        }

        (string model, string data) = Describe(start);
        _terminal.MarkupLineInterpolated($"[bold]{model}[/]");
        _terminal.MarkupLineInterpolated($"[grey]{data}[/]");
        _status = start.FirstStep > 1 ? $"continued with step {start.FirstStep:N0}" : "the first step prepares the kernels";
        _drawing = Task.Run(Draw);
    }

    public override void OnStep(StepMetrics step)
    {
        lock (_gate)
        {
            _step = step;
            _losses.Add(step.Loss);
            if (_losses.Count == 1)
            {
                _status = "";
            }
        }
    }

    public override void OnValidation(long step, EvaluationResult result)
    {
        lock (_gate)
        {
            _validation = (step, result);
        }
    }

    public override void OnCheckpoint(long step, string path)
    {
        lock (_gate)
        {
            _status = $"checkpoint {path}";
        }
    }

    public override void Dispose()
    {
        _done.Set();
        _drawing?.Wait();
        _done.Dispose();
    }

    private void Draw() => _terminal.Live(Render()).Start(live =>
    {
        while (!_done.Wait(Interval))
        {
            live.UpdateTarget(Render());
        }

        live.UpdateTarget(Render());
    });

    private Grid Render()
    {
        lock (_gate)
        {
            var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap());
            if (_step is { } step)
            {
                grid.AddRow(Label("step"), new Markup($"{Bar(step.Step, step.Steps)} {step.Step:N0}/{step.Steps:N0}"));
                grid.AddRow(Label("loss"), new Markup($"[bold]{step.Loss:0.0000}[/]  [blue]{Curve()}[/]"));
                grid.AddRow(Label("validation"), new Text(_validation is { } v
                    ? $"{v.Result.Loss:0.0000} after step {v.Step:N0} (perplexity {v.Result.Perplexity:0.00}, {v.Result.BitsPerByte:0.000} bits/byte)"
                    : "not yet"));
                grid.AddRow(Label("speed"), new Text($"{step.TokensPerSecond:N0} tokens/s"));
                grid.AddRow(Label("time left"), new Text(Durations.Format(step.SecondsLeft)));
            }

            grid.AddRow(Label(""), new Text(_status, new Style(Color.Grey)));
            return grid;
        }
    }

    private static Text Label(string text) => new Text(text, new Style(Color.Grey));

    private static string Bar(long done, long all)
    {
        const int Cells = 40;
        int filled = (int)(done * Cells / all);
        return $"[green]{new string('━', filled)}[/][grey]{new string('─', Cells - filled)}[/]";
    }

    private string Curve()
    {
        double least = _losses.Min();
        double span = Math.Max(_losses.Max() - least, 1e-9);
        int cells = Math.Min(CurveWidth, _losses.Count);
        return string.Concat(Enumerable.Range(0, cells).Select(cell =>
        {
            int from = cell * _losses.Count / cells;
            int to = Math.Max(from + 1, (cell + 1) * _losses.Count / cells);
            double mean = _losses.Take(to).Skip(from).Average();
            return Levels[(int)Math.Min(Levels.Length - 1, (mean - least) / span * Levels.Length)];
        }));
    }
}
