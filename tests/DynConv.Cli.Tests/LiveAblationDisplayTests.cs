using DynConv.Cli.Display;
using DynConv.Models;
using DynConv.Training;
using DynConv.Experiments.Ablations;
using DynConv.Training.Runs;
using Spectre.Console.Testing;

namespace DynConv.Cli.Tests;

public sealed class LiveAblationDisplayTests
{
    private static readonly AblationCell Cell = new(
        new AblationRow("low-rank [R=16] on queries, keys and values", [], new TrainingConfiguration()), 3, "", new TrainingConfiguration(), Presets.Get("nano"));

    [Theory]
    [InlineData(100)]
    [InlineData(40)]
    public void The_display_shows_the_grid_and_the_run_in_lines_that_fit_the_terminal(int width)
    {
        using TestConsole terminal = new TestConsole().Width(width);
        using (var display = new LiveAblationDisplay(terminal))
        {
            display.OnRun(Cell, 2, 6);
            display.OnStep(new StepMetrics(50, 100, 1.5, 1e-3, 1, 5000, 1234, 10, 61));
            display.OnGridProgress(3700);
            Assert.True(SpinWait.SpinUntil(() => Shows(terminal, "1h 01m"), TimeSpan.FromSeconds(20)));
            display.OnRunEnd(Cell, new AblationSeed(3, "folder", null, null, null, "The loss is NaN."));
        }

        // The recording loses the moves of the cursor: what is drawn over the last frame seems to follow it.
        string[] lines = [.. terminal.Output.Replace("runs        ", "\nruns        ", StringComparison.Ordinal).Split('\n').Select(line => line.TrimEnd())];
        Assert.All(lines.SkipLast(3), line => Assert.True(line.Length <= width, line));
        Assert.Contains(lines, line => line.StartsWith("runs        ━", StringComparison.Ordinal) && line.EndsWith(" 1/6", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("run         low-rank [R=16]", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("step        ━", StringComparison.Ordinal) && line.EndsWith(" 50/100", StringComparison.Ordinal));
        Assert.Contains("loss        1.5000", lines);
        Assert.Contains("speed       1,234 tokens/s", lines);
        Assert.Contains(lines, line => line.StartsWith("time left   1m 01s, 1h 01m for al", StringComparison.Ordinal));
        Assert.Contains("The loss is NaN.", terminal.Output.ReplaceLineEndings(" "), StringComparison.Ordinal);
    }

    /// <summary>The recording is not made to be read while another thread writes: such a reading finds nothing.</summary>
    private static bool Shows(TestConsole terminal, string text)
    {
        try
        {
            return terminal.Output.Contains(text, StringComparison.Ordinal);
        }
        catch (ArgumentOutOfRangeException)
        {
            return false;
        }
    }
}
