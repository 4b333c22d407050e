namespace DynConv.Cli.Tests;

/// <summary>Two processes never write to one run, and none removes what another has made.</summary>
public sealed class RunLockTests(TinyRun tiny) : IDisposable
{
    private const int AtOnce = 4;

    private readonly TemporaryFolder _folder = new();

    private string Folder => _folder.At("run");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Of_many_that_start_at_once_one_trains_and_the_others_say_so()
    {
        CommandRun[] runs = Race(tiny.Train(Folder, "--steps", "300", "--checkpoint-every", "100"));
        CommandRun winner = Assert.Single(runs, run => run.ExitCode == 0);
        winner.Succeeded();
        Assert.All(runs.Where(run => run.ExitCode != 0), run =>
        {
            run.Failed(1, Folder);
            Assert.Matches("is in use by process [0-9]+ on .+ since .+; wait until that has ended|holds a run already", run.Error);
        });
        AssertSameAsAlone("--steps", "300", "--checkpoint-every", "100");
    }

    [Fact]
    public void Of_many_that_resume_at_once_one_trains_and_the_others_say_so()
    {
        string[] options = ["--steps", "400", "--checkpoint-every", "50"];
        using (ChildProcess process = ChildProcess.Start(tiny.Train(Folder, options)))
        {
            process.WaitFor("checkpoint");
            process.Kill();
        }

        CommandRun[] runs = Race(["train", "--out", Folder, "--resume"]);

        // One that comes when the winner has ended finds a finished run, and is content with that.
        Assert.Contains(runs, run => run.ExitCode == 0);
        Assert.All(runs.Where(run => run.ExitCode != 0), run => run.Failed(1, $"{Folder} is in use by process "));
        AssertSameAsAlone(options);
    }

    [Fact]
    public void Bad_input_of_many_at_once_leaves_nothing_behind_and_a_good_start_is_untouched()
    {
        string empty = _folder.Write("empty.txt", "");
        string[] bad = ["train", "--config", tiny.Config, "--data", empty, "--out", Folder];
        for (int round = 0; round < 2; round++)
        {
            ChildProcess[] processes =
            [
                ChildProcess.Start(bad),
                ChildProcess.Start(tiny.Train(Folder, "--steps", "20")),
                ChildProcess.Start(bad),
            ];
            CommandRun[] runs = [.. processes.Select(process => process.Wait())];
            Array.ForEach(processes, process => process.Dispose());
            if (runs[1].ExitCode == 0)
            {
                AssertSameAsAlone("--steps", "20");
                Directory.Delete(Folder, recursive: true);
                Directory.Delete(_folder.At("alone"), recursive: true);
            }
            else
            {
                // It came while one of the others was still looking at its text.
                runs[1].Failed(1, "is in use by");
                Assert.False(Directory.Exists(Folder));
            }
        }
    }

    private static CommandRun[] Race(string[] arguments)
    {
        ChildProcess[] processes = [.. Enumerable.Range(0, AtOnce).Select(_ => ChildProcess.Start(arguments))];
        CommandRun[] runs = [.. processes.Select(process => process.Wait())];
        Array.ForEach(processes, process => process.Dispose());
        return runs;
    }

    private void AssertSameAsAlone(params string[] options)
    {
        CommandRun.Of(tiny.Train(_folder.At("alone"), options)).Succeeded();
        Assert.Equal(File.ReadAllBytes(_folder.At("alone", "model.safetensors")), File.ReadAllBytes(_folder.At("run", "model.safetensors")));
        Assert.False(File.Exists(_folder.At("run", "run.lock")));
    }
}
