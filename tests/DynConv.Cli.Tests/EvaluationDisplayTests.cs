using DynConv.Cli.Display;
using DynConv.Training.Data;
using DynConv.Training.Evaluation;
using Spectre.Console.Testing;

namespace DynConv.Cli.Tests;

public sealed class EvaluationDisplayTests
{
    private const string EraseLine = "\r\e[K";

    [Fact]
    public void A_terminal_has_one_line_that_fits_and_is_gone_at_the_end()
    {
        (string output, string error) = Run(isInteractive: true, width: 80);
        Assert.StartsWith($"{EraseLine}encoding 0.5 of 2.0 MB{EraseLine}", output, StringComparison.Ordinal);
        Assert.EndsWith(EraseLine, output, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', output);
        Assert.Equal("", error);
    }

    [Theory]
    [InlineData(12)]
    [InlineData(3)]
    [InlineData(1)]
    public void No_line_is_wider_than_the_terminal(int width)
    {
        string[] lines = Run(isInteractive: true, width).Output.Split(EraseLine, StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(lines);
        Assert.All(lines, line => Assert.InRange(line.Length, 1, Math.Max(1, width - 1)));
    }

    [Fact]
    public void A_pipe_has_a_line_of_its_own_now_and_then_and_none_in_the_result()
    {
        (string output, string error) = Run(isInteractive: false, width: 80);
        Assert.Equal("", output);
        Assert.Equal("encoding 1.5 of 2.0 MB\nevaluating 12%, 35s left\nevaluating 25%, 30s left\nevaluating 37%, 25s left\nevaluating 50%, 20s left\n", error);
    }

    /// <summary>Four seconds of encoding and twenty of an evaluation that would take forty.</summary>
    private static (string Output, string Error) Run(bool isInteractive, int width)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        using var terminal = new TestConsole();
        terminal.Profile.Width = width;
        var clock = new Clock();
        using (var display = new EvaluationDisplay(new CliContext(output, error, terminal, isInteractive), clock))
        {
            for (int i = 1; i <= 3; i++)
            {
                clock.Seconds += 2;
                display.Report(new EncodingProgress(i * 500_000, 2_000_000, 0));
            }

            for (int i = 1; i <= 4; i++)
            {
                clock.Seconds += 5;
                display.Report(new EvaluationProgress(10 * i, 80));
            }
        }

        return (output.ToString(), error.ToString());
    }

    private sealed class Clock : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }
}
