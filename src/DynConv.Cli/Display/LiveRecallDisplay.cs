using System.Diagnostics;
using DynConv.Experiments.Recall;
using Spectre.Console;

namespace DynConv.Cli.Display;

/// <summary>Progress that redraws itself in place: a bar for the task, and for each kind what its latest training does.</summary>
internal sealed class LiveRecallDisplay(IAnsiConsole terminal, RecallSettings settings) : RecallDisplay
{
    private const int LabelWidth = 14;
    private const int MostCells = 40;
    private const int FewestCells = 8;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly ManualResetEventSlim _done = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<RecallRun, List<double>> _losses = [];
    private readonly Dictionary<string, RecallRun> _latest = [];
    private readonly Dictionary<string, int> _finished = [];
    private Task? _drawing;
    private string _task = "";
    private int _runs;
    private long _steps;

    public override void OnTask(IRecallTask task, int runs)
    {
        _task = task.Name;
        _runs = runs;
        _drawing = Task.Run(Draw);
    }

    public override void OnSteps(RecallRun run, int step, double loss)
    {
        lock (_gate)
        {
            if (!_losses.TryGetValue(run, out List<double>? losses))
            {
                _losses[run] = losses = [];
            }

            losses.Add(loss);
            _latest[run.Conv] = run;
            _steps = _losses.Sum(pair => (long)pair.Value.Count) * settings.Steps / settings.CurvePoints;
        }
    }

    public override void OnRun(RecallOutcome outcome)
    {
        lock (_gate)
        {
            _finished[outcome.Run.Conv] = _finished.GetValueOrDefault(outcome.Run.Conv) + 1;
        }
    }

    public override void Dispose()
    {
        _done.Set();
        _drawing?.Wait();
        _done.Dispose();
    }

    // What is shown is of no use once the task is done: its table follows.
    private void Draw() => terminal.Live(Render()).AutoClear(true).Start(live =>
    {
        while (!_done.Wait(Interval))
        {
            live.UpdateTarget(Render());
        }
    });

    private Rows Render()
    {
        lock (_gate)
        {
            int width = Math.Max(FewestCells, terminal.Profile.Width - LabelWidth - 1);
            return new Rows([Line(_task, Progress(width)), .. settings.Convolutions.Select(conv => Line($"  {conv}", Kind(conv, width)))]);
        }
    }

    private static Markup Line(string label, string value) => new($"[grey]{label.PadRight(LabelWidth)}[/]{value}");

    private string Progress(int width)
    {
        long all = (long)_runs * settings.Steps;
        string left = _steps == 0 ? "" : $", {Durations.Format(_watch.Elapsed.TotalSeconds * (all - _steps) / _steps)} left";
        string count = $" {_finished.Values.Sum()}/{_runs} models{left}";
        int cells = Math.Clamp(width - count.Length, FewestCells, MostCells);
        int filled = (int)Math.Min(cells, _steps * cells / all);
        return $"[green]{new string('━', filled)}[/][grey]{new string('─', cells - filled)}[/]{Fit(count, width - cells)}";
    }

    private string Kind(string conv, int width)
    {
        if (!_latest.TryGetValue(conv, out RecallRun? run))
        {
            return "[grey]waiting[/]";
        }

        List<double> losses = _losses[run];
        string text = $"{losses[^1]:0.000} loss, lr {run.LearningRate}, seed {run.Seed}";
        return $"[blue]{Fit(Sparkline.Of(losses, 0, losses.Max()), width)}[/] {Fit(text, width - losses.Count - 1)}";
    }

    private static string Fit(string text, int width) => text[..Math.Clamp(width, 0, text.Length)];
}
