using DynConv.Cli.Display;
using DynConv.Training;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;
using Spectre.Console.Testing;

namespace DynConv.Cli.Tests;

public sealed class LiveDisplayTests(TinyRun tiny)
{
    [Theory]
    [InlineData(120)]
    [InlineData(60)]
    [InlineData(40)]
    public void The_display_shows_a_run_in_lines_that_fit_the_terminal(int width)
    {
        string[] lines = Show(width, display => Train(display, steps: 1500));
        Assert.All(lines, line => Assert.True(line.Length <= width, line));
        Assert.Contains(lines, line => line.StartsWith("step        ━", StringComparison.Ordinal) && line.EndsWith(" 1,500/1,500", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("loss        1.5000  █", StringComparison.Ordinal) && line.EndsWith('▁'));
        Assert.Contains(lines, line => line.StartsWith("validation  2.2500", StringComparison.Ordinal));
        Assert.Contains("speed       1,234 tokens/s", lines);
        Assert.Contains("time left   0s", lines);
    }

    [Fact]
    public void A_wide_terminal_shows_all_of_a_validation_and_a_narrow_one_the_loss()
    {
        Assert.Contains("validation  2.2500 after step 750 (perplexity 9.49, 3.246 bits/byte)", Show(120, display => Train(display, 1500)));
        Assert.Contains("validation  2.2500 after step 750 (3.246 bits/byte)", Show(60, display => Train(display, 1500)));
        Assert.Contains("validation  2.2500 after step 750", Show(40, display => Train(display, 1500)));
    }

    [Fact]
    public void A_run_that_is_over_before_the_first_step_leaves_its_description() =>
        Assert.Contains("nano: 4 layers, 128 channels, 1,000 parameters, low-rank convolutions on q,k,v, width 4, rank 16", Show(120, Start));

    [Fact]
    public void Encoding_is_one_line_that_is_erased()
    {
        using var terminal = new TestConsole();
        using (var display = new LiveTrainingDisplay(terminal))
        {
            display.OnEncoding(1_000_000, 3_000_000);
            display.OnEncoding(2_000_000, 3_000_000);
        }

        Assert.Equal("\r\e[Kencoding 1.0 of 3.0 MB\r\e[K", terminal.Output);
    }

    [Fact]
    public void A_whole_run_with_the_live_display_ends_with_the_result_on_standard_output()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(isInteractive: true, tiny.Train(folder.At("run"), "--steps", "5")).Succeeded();
        Assert.StartsWith("valid loss ", run.OutputLines[^1], StringComparison.Ordinal);
        Assert.DoesNotContain("step 1/5", run.Output, StringComparison.Ordinal);
    }

    private static string[] Show(int width, Action<LiveTrainingDisplay> use)
    {
        using TestConsole terminal = new TestConsole().Width(width);
        using (var display = new LiveTrainingDisplay(terminal))
        {
            use(display);
        }

        // The recording keeps every frame and loses the moves of the cursor: the last frame is what a person sees.
        const string Frame = "step        ";
        string text = terminal.Output;
        int first = text.IndexOf(Frame, StringComparison.Ordinal);
        string seen = first < 0 ? text : $"{text[..first]}\n{text[text.LastIndexOf(Frame, StringComparison.Ordinal)..]}";
        return [.. seen.Split('\n').Select(line => line.TrimEnd())];
    }

    private static void Start(LiveTrainingDisplay display) => display.OnStart(new RunStart(
        new TrainingConfiguration().Resolve(), new TrainingConfiguration().ModelConfiguration(), Parameters: 1000, TrainTokens: 5000, ValidTokens: 500, FirstStep: 1, Device.Cpu, DType.Float32));

    private static void Train(LiveTrainingDisplay display, int steps)
    {
        Start(display);
        for (int step = 1; step <= steps; step++)
        {
            double loss = 1.5 + ((steps - step) / (double)steps);
            display.OnStep(new StepMetrics(step, steps, loss, 1e-3, 1, step * 100, 1234, step, steps - step));
            if (step == steps / 2)
            {
                display.OnValidation(step, new EvaluationResult(2.25, 1000, 1000));
            }
        }
    }
}
