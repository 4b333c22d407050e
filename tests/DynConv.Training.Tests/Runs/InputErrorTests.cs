namespace DynConv.Training.Tests.Runs;

public sealed class InputErrorTests
{
    public static TheoryData<string> BadInputs => ["missing", "short", "binary", "empty", "tokenizer", "shape", "placement", "preset", "valid"];

    [Theory]
    [MemberData(nameof(BadInputs))]
    public void Bad_input_leaves_nothing_behind(string kind)
    {
        using var run = new TinyRun();
        string message = Spoil(run, kind);

        Assert.Contains(message, run.StartFailure("new/nested/run"));
        Assert.False(Directory.Exists(run["new"]));

        Directory.CreateDirectory(run["empty-folder"]);
        Assert.Contains(message, run.StartFailure("empty-folder"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(run["empty-folder"]));
    }

    [Fact]
    public void What_others_have_put_beside_a_failed_run_stays()
    {
        using var run = new TinyRun();
        Spoil(run, "short");
        Directory.CreateDirectory(run["runs"]);
        File.WriteAllText(run["runs/notes.txt"], "mine");

        run.StartFailure("runs/a/b");

        Assert.Equal([run["runs/notes.txt"]], Directory.EnumerateFileSystemEntries(run["runs"]));
    }

    [Fact]
    public void A_folder_with_other_files_is_refused_and_stays()
    {
        using var run = new TinyRun();
        Directory.CreateDirectory(run["full"]);
        File.WriteAllText(run["full/notes.txt"], "mine");

        Assert.Equal($"{run["full"]} holds other files; a run needs an empty or a new folder.", run.StartFailure("full"));
        Assert.Equal($"{run["full/notes.txt"]} is a file; a run needs a folder.", run.StartFailure("full/notes.txt"));
        Assert.Equal("mine", File.ReadAllText(run["full/notes.txt"]));
    }

    [Fact]
    public void An_empty_folder_serves_as_a_new_one()
    {
        using var run = new TinyRun();
        Directory.CreateDirectory(run["run"]);
        run.Configuration = run.Configuration with { Steps = 1 };
        Assert.False(run.Start().Interrupted);
    }

    [Fact]
    public void A_run_stopped_while_it_encodes_leaves_nothing_behind()
    {
        using var run = new TinyRun();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        stop.Cancel();

        Assert.ThrowsAny<OperationCanceledException>(() => DynConv.Training.Runs.TrainingRun.Start(run.Configuration, run["run"], new Recorder(), stop.Token));
        Assert.False(Directory.Exists(run["run"]));
    }

    private static string Spoil(TinyRun run, string kind)
    {
        TrainingConfiguration c = run.Configuration;
        (run.Configuration, string message) = kind switch
        {
            "missing" => (c with { Data = [run["nowhere"]] }, run["nowhere"]),
            "short" => (c with { Context = 5000 }, "The text is too short"),
            "binary" => (c with { Data = [Write("binary.txt", [1, 2, 0, 4, 0])] }, "binary.txt"),
            "empty" => (c with { Data = [Write("empty.txt", [])] }, "empty.txt"),
            "tokenizer" => (c with { Tokenizer = run["tokens"] }, $"There is no tokenizer at {run["tokens"]}"),
            "shape" => (c with { Model = c.Model with { AttentionHeads = 3, KeyValueHeads = null } }, "3 heads do not divide a hidden size of 16"),
            "placement" => (c with { Placement = "q,x" }, "There is no linear layer 'x'"),
            "preset" => (c with { Preset = "giant" }, "There is no preset 'giant'"),
            _ => (c with { Valid = [run["nowhere"]] }, run["nowhere"]),
        };
        return message;

        string Write(string name, byte[] bytes)
        {
            File.WriteAllBytes(run[name], bytes);
            return run[name];
        }
    }
}
