namespace DynConv.Cli.Tests;

/// <summary>However a run is stopped, <c>--resume</c> ends in the weights of one that was never stopped.</summary>
public sealed class InterruptionTests : IDisposable
{
    private const string LongStep = """
        preset: nano
        context: 256
        batch: 64
        accumulate: 100
        """;

    private readonly TinyRun _tiny;
    private readonly TemporaryFolder _folder = new();

    public InterruptionTests(TinyRun tiny)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill and bash.");
        _tiny = tiny;
    }

    private string Folder => _folder.At("run");

    private string Checkpoints => _folder.At("run", "checkpoints");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    [InlineData("HUP", 129)]
    public void A_signal_ends_the_run_with_a_checkpoint_and_the_command_that_continues_it(string signal, int exitCode)
    {
        const int Steps = 1500;
        SkipWhenIgnored(signal);
        string folder = _folder.At("my run");
        using ChildProcess process = ChildProcess.Start(_tiny.Train(folder, "--steps", $"{Steps}"));
        process.WaitFor("step 1/");
        process.Signal(signal);
        CommandRun stopped = process.Wait().Stopped(exitCode, "Stopped after step", "checkpoints/step-", "complete");
        Assert.Contains("stopping after this step; once more to stop at once\n", stopped.Output, StringComparison.Ordinal);
        Assert.EndsWith($"; continue with: dynconv train --out '{folder}' --resume\n", stopped.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder, "model.safetensors")));

        CommandRun resumed = ChildProcess.Run("train", "--out", folder, "--resume").Succeeded();
        AssertSameAsUninterrupted(folder, resumed, "--steps", $"{Steps}");
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void A_signal_in_the_first_moment_is_answered_too(string signal, int exitCode)
    {
        SkipWhenIgnored(signal);
        string text = _folder.Write("long.txt", string.Concat(Enumerable.Repeat(File.ReadAllText(_tiny.Text), 4000)));
        using ChildProcess process = ChildProcess.Start("train", "--config", _tiny.Config, "--data", text, "--out", Folder);
        process.WaitUntil(() => Directory.Exists(Path.Combine(Folder, "data")));
        process.Signal(signal);
        process.Wait().Stopped(exitCode, "Stopped before the first step; nothing of it is kept");
        Assert.False(Directory.Exists(Folder));
    }

    [Fact]
    public void A_signal_during_a_validation_ends_it_and_the_validation_is_made_up_for()
    {
        string valid = _folder.Write("valid.txt", string.Concat(Enumerable.Repeat(File.ReadAllText(_tiny.Text), 100)));
        string config = _folder.Write("all.yaml", File.ReadAllText(_tiny.Config) + "\nvalidation_tokens: 1000000000\n");
        string[] Arguments(string folder) =>
            ["train", "--config", config, "--data", _tiny.Text, "--valid", valid, "--out", folder, "--steps", "6", "--validate-every", "3"];
        using (ChildProcess process = ChildProcess.Start(Arguments(Folder)))
        {
            process.WaitUntil(() => Rows() == 3);
            process.Signal("TERM");
            process.Wait().Stopped(143, "Stopped after step 3, with");
        }

        Assert.Equal(3, Rows());
        ChildProcess.Run("train", "--out", Folder, "--resume").Succeeded();
        ChildProcess.Run(Arguments(_folder.At("whole"))).Succeeded();
        Assert.Equal(Losses(_folder.At("whole")), Losses(Folder));

        int Rows() => File.Exists(Path.Combine(Folder, "metrics.jsonl")) ? File.ReadLines(Path.Combine(Folder, "metrics.jsonl")).Count() : 0;
    }

    [Fact]
    public void A_second_signal_stops_at_once()
    {
        string config = _folder.Write("long.yaml", LongStep);
        using ChildProcess process = ChildProcess.Start("train", "--config", config, "--data", _tiny.Text, "--out", Folder);
        process.WaitFor("tokens to train on");
        process.Signal("TERM");
        process.WaitFor("stopping after this step");
        process.Signal("TERM");
        process.Wait().Stopped(143, "Stopped at once; continue with: dynconv train --out", "--resume");
        Assert.False(Directory.Exists(Checkpoints));
    }

    [Fact]
    public void A_run_that_is_killed_again_and_again_ends_in_the_same_weights()
    {
        string[] often = ["--steps", "120", "--checkpoint-every", "1", "--validate-every", "50"];
        var random = new Random(1);
        int written = 0;
        int kills = 0;
        while (kills < 5)
        {
            using ChildProcess process = ChildProcess.Start(
                kills == 0 ? _tiny.Train(Folder, often) : ["train", "--out", Folder, "--resume"]);
            int wanted = written + random.Next(1, 20);
            process.WaitUntil(() => NewestCheckpoint() >= wanted);

            // Every second time the process dies while it writes.
            process.WaitUntil(() => kills % 2 == 0 || Directory.EnumerateDirectories(Checkpoints, "*.tmp").Any());
            if (process.HasExited)
            {
                break;
            }

            process.Kill();
            kills++;
            written = NewestCheckpoint();
        }

        Assert.True(kills >= 3, "The run was too fast to be killed often.");
        CommandRun resumed = ChildProcess.Run("train", "--out", Folder, "--resume").Succeeded();
        AssertSameAsUninterrupted(Folder, resumed, often);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Folder, "*.tmp", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_run_that_is_killed_before_its_first_step_can_be_resumed()
    {
        using (ChildProcess process = ChildProcess.Start(_tiny.Train(Folder, "--steps", "20")))
        {
            process.WaitUntil(() => File.Exists(Path.Combine(Folder, "run.yaml")));
            process.Kill();
        }

        CommandRun resumed = ChildProcess.Run("train", "--out", Folder, "--resume").Succeeded();
        AssertSameAsUninterrupted(Folder, resumed, "--steps", "20");
    }

    [Fact]
    public void A_disk_that_is_full_leaves_the_previous_checkpoint_to_resume_from()
    {
        // A limit on the size of files is what a full disk is to a program, and needs no rights to arrange. The runtime
        // itself is told to make no large file.
        const string Full = "trap '' XFSZ; export DOTNET_EnableWriteXorExecute=0 DOTNET_EnableDiagnostics=0; ulimit -f 20";
        string[] steps = ["--steps", "400", "--checkpoint-every", "10", "--validate-every", "0"];
        using (ChildProcess process = ChildProcess.Start(_tiny.Train(Folder, steps)))
        {
            process.WaitUntil(() => NewestCheckpoint() >= 10);
            process.Kill();
        }

        int before = NewestCheckpoint();
        Assert.SkipUnless(before is >= 10 and < 100, "The run was too fast to be stopped.");
        using ChildProcess full = ChildProcess.StartAfter(Full, "train", "--out", Folder, "--resume");
        CommandRun failed = full.Wait();
        Assert.SkipWhen(failed.Error.StartsWith("Failed to create CoreCLR", StringComparison.Ordinal), "The runtime does not start with a limit on the size of files.");
        failed.Failed(1, "could not be written", $"step-{before:D9} is complete; make room and continue with --resume");
        Assert.Equal(before, NewestCheckpoint());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Checkpoints, "*.tmp"));

        CommandRun resumed = ChildProcess.Run("train", "--out", Folder, "--resume").Succeeded();
        AssertSameAsUninterrupted(Folder, resumed, steps);
    }

    /// <summary>Compares the weights, the result and the losses with those of a run that nothing disturbed.</summary>
    private void AssertSameAsUninterrupted(string folder, CommandRun run, params string[] options)
    {
        string whole = _folder.At("whole");
        CommandRun uninterrupted = ChildProcess.Run(_tiny.Train(whole, options)).Succeeded();
        Assert.Equal(File.ReadAllBytes(Path.Combine(whole, "model.safetensors")), File.ReadAllBytes(Path.Combine(folder, "model.safetensors")));
        Assert.Equal(uninterrupted.OutputLines[^1], run.OutputLines[^1]);
        Assert.Equal(Losses(whole), Losses(folder));
    }

    private static string[] Losses(string folder) =>
        [.. File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(line => line.Split(",\"tokens_per_second\"")[0])];

    private static void SkipWhenIgnored(string signal) => Assert.SkipWhen(
        (signal == "INT" && Ignores(2)) || (signal == "HUP" && Ignores(1)),
        $"SIG{signal} is ignored here, as a shell or nohup arranges for what runs in the background, and child processes inherit that.");

    private static bool Ignores(int number)
    {
        const string Status = "/proc/self/status";
        const string Ignored = "SigIgn:";
        string? mask = File.Exists(Status)
            ? File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(Ignored, StringComparison.Ordinal))
            : null;
        return mask is not null && (Convert.ToInt64(mask[Ignored.Length..].Trim(), 16) & (1L << (number - 1))) != 0;
    }

    private int NewestCheckpoint() => !Directory.Exists(Checkpoints)
        ? 0
        : Directory.EnumerateDirectories(Checkpoints, "step-*").Select(Path.GetFileName)
            .Where(name => !name!.EndsWith(".tmp", StringComparison.Ordinal))
            .Select(name => int.Parse(name!["step-".Length..])).DefaultIfEmpty().Max();
}
