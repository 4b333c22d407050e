namespace DynConv.Cli.Tests;

/// <summary>Text from pipes, mixtures and folders of all sorts, as a user gives it and hears of it.</summary>
public sealed class DataTests(TinyRun tiny) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Standard_input_and_pipes_are_read_as_files_are()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "pipes of a shell");
        string quoted = $"'{tiny.Text}'";
        string[] run = ["train", "--config", tiny.Config, "--steps", "2"];
        string expected = LastLine(CommandRun.Of([.. run, "--data", tiny.Text, "--out", _folder.At("file")]).Succeeded());
        Assert.Equal(expected, LastLine(Piped($"exec < <(cat {quoted})", [.. run, "--data", "-", "--out", _folder.At("stdin")])));
        Assert.Equal(expected, LastLine(Piped($"exec 9< <(gzip -c {quoted})", [.. run, "--data", "/dev/fd/9", "--out", _folder.At("pipe")])));
        Assert.Equal(expected, LastLine(CommandRun.Of("train", "--out", _folder.At("stdin"), "--resume").Succeeded()));

        string[] eval = ["eval", "--model", tiny.Folder, "--data"];
        Assert.Equal(
            LastLine(CommandRun.Of([.. eval, tiny.OtherText]).Succeeded()),
            LastLine(Piped($"exec < <(cat '{tiny.OtherText}')", [.. eval, "/dev/stdin"])));
        Piped($"exec < {quoted}", ["tokenizer", "train", "--vocab-size", "300", "--out", _folder.At("piped.json"), "--data", "-"]);
        CommandRun.Of("tokenizer", "train", "--vocab-size", "300", "--out", _folder.At("read.json"), "--data", tiny.Text).Succeeded();
        Assert.Equal(File.ReadAllText(_folder.At("read.json")), File.ReadAllText(_folder.At("piped.json")));
    }

    [Fact]
    public void The_first_lines_say_how_often_the_text_is_gone_through_and_what_of_it_was_not_read()
    {
        _folder.Folder("text");
        _folder.Write("text/lines.json", string.Concat(Enumerable.Range(0, 60).Select(static i => $"{{\"content\":\"This is line {i} of the text.\"}}\n")) + "{\"content\":null}\n");
        _folder.Write("text/empty.txt", "");
        _folder.Write("text/image.png", [0x89, 0, 0, 0]);
        string[] reading = ["--text-field", "content", "--skip-bad-lines"];
        CommandRun run = CommandRun.Of(["train", "--config", tiny.Config, "--data", _folder.At("text"), "--out", _folder.At("run"), "--steps", "400", .. reading]).Succeeded();
        Assert.Contains(" epochs), ", run.Output);
        Assert.Matches($"warning: the run goes through {_folder.At("text")} [0-9.]+ times; ", run.Output);
        Assert.Contains($"note: Left out of the data: 1 binary ({_folder.At("text")}/image.png), 1 empty ({_folder.At("text")}/empty.txt).", run.Output);
        Assert.Contains($"note: 1 bad line was skipped: {_folder.At("text")}/lines.json line 61 has a 'content' field that is not a string.", run.Output);
        CommandRun eval = CommandRun.Of(["eval", "--model", tiny.Folder, "--data", _folder.At("text"), .. reading]);
        Assert.Equal(0, eval.ExitCode);
        Assert.Contains("note: 1 bad line was skipped: ", eval.Error);
        CommandRun tokenizer = CommandRun.Of(["tokenizer", "train", "--data", _folder.At("text"), "--vocab-size", "260", "--out", _folder.At("t.json"), .. reading]);
        Assert.Equal(0, tokenizer.ExitCode);
        Assert.Contains("note: Left out of the data: ", tokenizer.Error);
        Assert.Contains("note: 1 bad line was skipped: ", tokenizer.Error);
    }

    [Fact]
    public void A_mixture_says_what_it_makes_of_each_source()
    {
        CommandRun run = CommandRun.Of("train", "--config", tiny.Config, "--data", $"{tiny.Text}:3", $"{tiny.OtherText}:1", "--out", _folder.At("run"), "--steps", "8").Succeeded();
        Assert.Matches($"{tiny.Text}: 75% of the samples, [0-9,]+ tokens, [0-9.]+ epochs", run.Output);
        Assert.Matches($"{tiny.OtherText}: 25% of the samples, [0-9,]+ tokens, [0-9.]+ epochs", run.Output);
        Assert.Contains($"{tiny.OtherText}: valid loss ", run.Output);
        CommandRun.Of("train", "--out", _folder.At("run"), "--resume").Succeeded();
    }

    [Fact]
    public void A_run_goes_on_from_any_working_directory()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "a shell");
        string folder = Path.GetDirectoryName(tiny.Text)!;
        string output = _folder.At("run");
        using ChildProcess start = ChildProcess.StartAfter(
            $"cd '{folder}'", "train", "--config", tiny.Config, "--data", "text.txt", "--valid", "other.txt", "--out", output, "--steps", "2");
        string expected = LastLine(start.Wait().Succeeded());
        using ChildProcess resume = ChildProcess.StartAfter("cd /", "train", "--out", output, "--resume");
        Assert.Equal(expected, LastLine(resume.Wait().Succeeded()));
    }

    [Fact]
    public void A_folder_for_temporary_files_that_cannot_be_written_is_named()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "a shell");
        string nowhere = _folder.At("nowhere");
        using ChildProcess process = ChildProcess.StartAfter($"export TMPDIR='{nowhere}'", tiny.Train(_folder.At("run")));
        CommandRun run = process.Wait();
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith($"error: No temporary folder can be made in {nowhere}", run.Error);
        Assert.Contains("Set TMPDIR", run.Error);
        Assert.False(Directory.Exists(_folder.At("run")));
    }

    private static CommandRun Piped(string preparation, string[] arguments)
    {
        using ChildProcess process = ChildProcess.StartAfter(preparation, arguments);
        return process.Wait().Succeeded();
    }

    private static string LastLine(CommandRun run) => run.Output.TrimEnd().Split('\n')[^1];
}
