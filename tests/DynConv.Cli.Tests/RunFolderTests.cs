using System.Text.Json.Nodes;

namespace DynConv.Cli.Tests;

/// <summary>What can be done with a run's folder while it is trained, between its parts, and after its end.</summary>
public sealed class RunFolderTests(TinyRun tiny) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Folder => _folder.At("run");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_run_that_goes_on_is_sampled_and_measured_by_its_newest_checkpoint()
    {
        using ChildProcess process = ChildProcess.Start(tiny.Train(Folder, "--steps", "100000", "--checkpoint-every", "20", "--validate-every", "0"));
        process.WaitFor("checkpoint");
        for (int i = 0; i < 3; i++)
        {
            CommandRun generated = CommandRun.Of("generate", "--model", Folder, "--prompt", "Line", "--max-tokens", "3");
            Assert.True(generated.ExitCode == 0, generated.Error);
            Assert.Matches($"^note: {Folder} is not finished; this is its checkpoint of step [0-9]+, {Folder}/checkpoints/step-[0-9]+\nnote: [^\n]+\n$", generated.Error);
            Assert.StartsWith("Line", generated.Output, StringComparison.Ordinal);
            CommandRun measured = CommandRun.Of("eval", "--model", Folder, "--data", tiny.OtherText);
            Assert.True(measured.ExitCode == 0, measured.Error);
        }

        // The oldest checkpoint is removed about now: it is read whole, or a sentence says that it is not there.
        for (int i = 0; i < 10; i++)
        {
            string oldest = Directory.GetDirectories(_folder.At("run", "checkpoints"), "step-?????????").Order(StringComparer.Ordinal).First();
            CommandRun evaluated = CommandRun.Of("eval", "--model", oldest, "--data", tiny.OtherText);
            if (evaluated.ExitCode != 0)
            {
                evaluated.Failed(1, oldest);
            }
        }

        Assert.False(process.HasExited);
        process.Kill();
    }

    [Fact]
    public void A_checkpoint_is_a_model_that_evaluates_as_the_finished_one()
    {
        string last = Directory.GetDirectories(Path.Combine(tiny.Folder, "checkpoints")).Order(StringComparer.Ordinal).Last();
        foreach (string name in new[] { "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors" })
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(tiny.Folder, name)), File.ReadAllBytes(Path.Combine(last, name)));
        }

        Assert.Equal(tiny.Training.OutputLines[^1], CommandRun.Of("eval", "--model", last, "--data", tiny.OtherText).Succeeded().OutputLines[^1]);
    }

    [Fact]
    public void A_finished_run_goes_on_beyond_its_end_from_any_folder()
    {
        CommandRun.Of(tiny.Train(Folder, "--steps", "6", "--validate-every", "2", "--checkpoint-every", "3")).Succeeded();
        CommandRun again = CommandRun.Of("train", "--out", Folder, "--resume").Succeeded();
        Assert.Contains("all 6 steps are done; to train on, give --steps or --tokens with more\n", again.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("continuing", again.Output, StringComparison.Ordinal);

        string before = Environment.CurrentDirectory;
        try
        {
            Environment.CurrentDirectory = _folder.Root;
            CommandRun longer = CommandRun.Of("train", "--out", "run", "--resume", "--steps", "9").Succeeded();
            Assert.Contains("continuing with step 7\n", longer.Output, StringComparison.Ordinal);
            CommandRun.Of("train", "--out", "run", "--resume", "--tokens", $"{11 * 2 * TinyRun.Context}").Succeeded();
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }

        string[] settings = File.ReadAllLines(_folder.At("run", "run.yaml"));
        Assert.Contains("steps: 11", settings);
        long[] steps = [.. File.ReadLines(_folder.At("run", "metrics.jsonl")).Select(line => JsonNode.Parse(line)!).Where(row => row["loss"] is not null).Select(row => (long)row["step"]!)];
        Assert.Equal(Enumerable.Range(1, 11).Select(step => (long)step), steps);
        CommandRun.Of("train", "--out", Folder, "--resume", "--steps", "5").Failed(1, "has done 11 steps already, and is to end after 5; give 11 or more");
        CommandRun.Of("train", "--out", Folder, "--resume", "--batch", "3").Failed(1, "'batch: 3' is not what");
    }

    [Fact]
    public void A_relative_path_of_text_means_the_same_from_another_folder_and_encoded_text_will_do()
    {
        string before = Environment.CurrentDirectory;
        string text = _folder.Write("text.txt", File.ReadAllText(tiny.Text));
        try
        {
            Environment.CurrentDirectory = _folder.Root;
            CommandRun.Of("train", "--config", tiny.Config, "--data", "text.txt", "--out", "run", "--steps", "3").Succeeded();
            Environment.CurrentDirectory = _folder.Folder("elsewhere");
            CommandRun.Of("train", "--out", "../run", "--resume", "--steps", "4").Succeeded();
            File.Delete(text);
            CommandRun.Of("train", "--out", "../run", "--resume", "--steps", "5").Succeeded();
            File.WriteAllBytes(_folder.At("run", "data", "train", "tokens-00000.bin"), [1, 2, 3]);
            CommandRun.Of("train", "--out", "../run", "--resume", "--steps", "6").Failed(1, "tokens-00000.bin is truncated");
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }
}
