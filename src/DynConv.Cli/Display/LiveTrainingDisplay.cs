using DynConv.Training.Evaluation;
using DynConv.Training.Runs;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DynConv.Cli.Display;

/// <summary>Progress that redraws itself in place: a bar, the latest figures and the shape of the loss curve.</summary>
internal sealed class LiveTrainingDisplay : TrainingDisplay
{
    private const int LabelWidth = 12;
    private const int MostCells = 48;
    private const int FewestCells = 8;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly IAnsiConsole _terminal;
    private readonly ProgressLine _encoding;
    private readonly List<double> _losses = [];
    private readonly ManualResetEventSlim _done = new();
    private readonly Lock _gate = new();
    private Task? _drawing;
    private StepMetrics? _step;
    private (long Step, EvaluationResult Result)? _validation;
    private double _secondsLeft;
    private string _status = "";
    private bool _validating;
    private bool _stopping;

    public LiveTrainingDisplay(IAnsiConsole terminal)
    {
        _terminal = terminal;
        _encoding = new ProgressLine(terminal.Profile.Out.Writer);
    }

    public override void OnEncoding(long bytes, long totalBytes) =>
        _encoding.Show($"encoding {bytes / 1e6:N1} of {totalBytes / 1e6:N1} MB");

    public override void OnStart(RunStart start)
    {
        _encoding.Dispose();
        (string model, string data) = Describe(start);
        _terminal.MarkupLineInterpolated($"[bold]{model}[/]");
        _terminal.MarkupLineInterpolated($"[grey]{data}[/]");
        foreach (string line in DescribeData(start))
        {
            _terminal.MarkupLineInterpolated($"[grey]{Printable.Text(line)}[/]");
        }

        SetStatus(Continuing(start) is { Length: > 0 } continuing ? continuing : "the first step takes longer than the next ones");
        _drawing = Task.Run(Draw);
    }

    public override void OnPreparing() => SetStatus(Preparing);

    public override void OnPrepared(int kernels, double seconds) => SetStatus(Prepared(kernels, seconds));

    public override void OnStep(StepMetrics step)
    {
        lock (_gate)
        {
            _step = step;
            _secondsLeft = step.SecondsLeft;
            _losses.Add(step.Loss);
        }

        if (step.Step == step.Steps)
        {
            SetStatus("validating");
        }
        else if (_losses.Count == 1 || _validating)
        {
            SetStatus("");
        }

        _validating = false;
    }

    public override void OnValidating(long step, EvaluationProgress progress, double secondsLeft)
    {
        lock (_gate)
        {
            _secondsLeft = secondsLeft;
        }

        _validating = true;
        SetStatus($"validating: {progress.Windows:N0} of {progress.TotalWindows:N0} windows");
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
        if (step < _step?.Steps)
        {
            SetStatus($"checkpoint after step {step:N0}");
        }
    }

    public override void OnNote(string note)
    {
        _encoding.Dispose();
        _terminal.MarkupLineInterpolated($"[yellow]note: {note}[/]");
    }

    public override void OnStopping()
    {
        SetStatus(Stopping);
        _stopping = true;
    }

    public override void Dispose()
    {
        _encoding.Dispose();
        lock (_gate)
        {
            _status = "";
        }

        _done.Set();
        _drawing?.Wait();
        _done.Dispose();
    }

    private void SetStatus(string status)
    {
        lock (_gate)
        {
            _status = _stopping ? _status : status;
        }
    }

    private void Draw() => _terminal.Live(Render()).Start(live =>
    {
        while (!_done.Wait(Interval))
        {
            live.UpdateTarget(Render());
        }

        live.UpdateTarget(Render());
    });

    /// <summary>Lines that fit the terminal as wide as it is now; a wrapped line would tear the display.</summary>
    private Rows Render()
    {
        lock (_gate)
        {
            int width = Math.Max(FewestCells, _terminal.Profile.Width - LabelWidth - 1);
            var lines = new List<IRenderable>();
            if (_step is { } step)
            {
                lines.Add(Line("step", Progress(step, width)));
                lines.Add(Line("loss", Loss(step.Loss, width)));
                lines.Add(Line("validation", Markup.Escape(Longest(width, Validation()))));
                lines.Add(Line("speed", Speed(step)));
                lines.Add(Line("time left", Durations.Format(_secondsLeft)));
            }

            if (_status.Length > 0)
            {
                lines.Add(Line("", $"[grey]{Markup.Escape(Longest(width, [_status]))}[/]"));
            }

            return new Rows(lines);
        }
    }

    private static Markup Line(string label, string value) => new($"[grey]{label.PadRight(LabelWidth)}[/]{value}");

    private static string Progress(StepMetrics step, int width)
    {
        string count = $" {step.Step:N0}/{step.Steps:N0}";
        int cells = Math.Clamp(width - count.Length, FewestCells, MostCells);
        int filled = (int)(step.Step * cells / step.Steps);
        return $"[green]{new string('━', filled)}[/][grey]{new string('─', cells - filled)}[/]{count}";
    }

    private string Loss(double loss, int width)
    {
        string figure = $"{loss:0.0000}";
        return $"[bold]{figure}[/]  [blue]{Curve(Math.Clamp(width - figure.Length - 2, FewestCells, MostCells))}[/]";
    }

    /// <summary>What is known of the latest validation, from all to the least.</summary>
    private string[] Validation()
    {
        if (_validation is not var (step, result))
        {
            return ["not yet"];
        }

        string loss = $"{result.Loss:0.0000}";
        string after = $"{loss} after step {step:N0}";
        return [$"{after} (perplexity {result.Perplexity:0.00}, {result.BitsPerByte:0.000} bits/byte)", $"{after} ({result.BitsPerByte:0.000} bits/byte)", after, loss];
    }

    private static string Longest(int width, string[] texts) =>
        Array.Find(texts, text => text.Length <= width) ?? texts[^1][..Math.Min(width, texts[^1].Length)];

    private string Curve(int mostCells)
    {
        int cells = Math.Min(mostCells, _losses.Count);
        IEnumerable<double> means = Enumerable.Range(0, cells).Select(cell =>
        {
            int from = cell * _losses.Count / cells;
            int to = Math.Max(from + 1, (cell + 1) * _losses.Count / cells);
            return _losses.Take(to).Skip(from).Average();
        });
        return Sparkline.Of(means, _losses.Min(), _losses.Max());
    }
}
