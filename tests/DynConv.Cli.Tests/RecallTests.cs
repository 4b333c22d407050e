using System.Text.Json;

namespace DynConv.Cli.Tests;

/// <summary><c>recall</c>, with models that have no time to learn anything.</summary>
public sealed class RecallTests : IDisposable
{
    private static readonly string[] Short = ["--steps", "3", "--seeds", "2", "--lr", "0.01", "--pairs", "1,2", "--channels", "16"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_experiment_shows_examples_and_a_table_and_writes_all_figures()
    {
        CommandRun run = CommandRun.Of(["recall", "--task", "ngram-recall,mqar", "--conv", "none,lowrank", "--out", _folder.At("new", "r"), .. Short]).Succeeded();
        Assert.Equal(3, run.OutputLines.Count(line => line.StartsWith("  a", StringComparison.Ordinal) && line.Contains('→')));
        Assert.Equal(4, run.OutputLines.Count(line => line.StartsWith("mqar ", StringComparison.Ordinal) && line.Contains("/4  ", StringComparison.Ordinal)));
        Assert.Equal(2, run.OutputLines.Count(line => line.Contains("accuracy in %, median of 2 (lowest to highest)", StringComparison.Ordinal)));
        Assert.Contains("step 3: ", run.Output, StringComparison.Ordinal);
        Assert.StartsWith("Time ", run.OutputLines[^1], StringComparison.Ordinal);

        JsonElement[] rows = [.. JsonDocument.Parse(File.ReadAllText(_folder.At("new", "r", "recall.json"))).RootElement.EnumerateArray()];
        Assert.Equal(2 * 2 * 2 * 2, rows.Length);
        Assert.Equal(["mqar", "ngram-recall"], rows.Select(row => row.GetProperty("task").GetString()!).Distinct().Order());
        Assert.All(rows, row => Assert.InRange(row.GetProperty("accuracy").GetDouble(), 0, 1));
        Assert.StartsWith("<svg", File.ReadAllText(_folder.At("new", "r", "accuracy.svg")), StringComparison.Ordinal);

        CommandRun.Of(["recall", "--out", _folder.At("new", "r"), .. Short]).Failed(1, "holds results already");
    }

    [Fact]
    public void A_terminal_shows_curves_as_lines()
    {
        CommandRun run = CommandRun.Of(isInteractive: true, ["recall", "--task", "noisy-recall", "--conv", "static", .. Short]).Succeeded();
        Assert.Contains(run.OutputLines, line => line.StartsWith("static ", StringComparison.Ordinal) && line.Contains('▁'));
        Assert.DoesNotContain("seed 0", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_done_is_refused_before_any_training()
    {
        CommandRun.Of("recall", "--task", "mqar", "--pairs", "17").Failed(1, "mqar has sequences of 1 to 16 pairs, and 17 are asked for");
        CommandRun.Of("recall", "--pairs", "2,2").Failed(1, "twice");
        CommandRun.Of("recall", "--heads", "3").Failed(1, "3 heads do not divide 32 channels");
        CommandRun.Of("recall", "--lr", "7").Failed(1, "A learning rate is 7");
        CommandRun.Of("recall", "--out", _folder.Write("file", "")).Failed(1, "is a file");
        Assert.Single(Directory.GetFileSystemEntries(_folder.Root));
    }

    [Fact]
    public void A_signal_ends_it_with_one_line_and_no_empty_folder()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill.");
        using ChildProcess process = ChildProcess.Start("recall", "--steps", "100000", "--out", _folder.At("run"));
        process.WaitFor("noisy-recall:");
        process.Signal("TERM");
        process.Wait().Stopped(143, "Stopped after 0 of 4 tasks");
        Assert.False(Directory.Exists(_folder.At("run")));
    }
}
