using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

/// <summary>A checkpoint is bound to what it was made of, and what has changed since is refused or said.</summary>
public sealed class CheckpointTests
{
    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("optimizer.safetensors")]
    [InlineData("state.json")]
    [InlineData("settings.yaml")]
    [InlineData("config.json")]
    [InlineData("tokenizer.json")]
    public void One_flipped_bit_is_noticed(string file)
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 8 });
        string path = Path.Combine(run.Checkpoint(8), file);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^(bytes.Length / 3)] ^= 4;
        File.WriteAllBytes(path, bytes);

        AssertFallsBack(run, $"{path} is not as it was written: its checksum differs from that in manifest.json.");
    }

    [Fact]
    public void Half_of_the_moments_set_to_zero_is_noticed()
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 8 });
        string path = Path.Combine(run.Checkpoint(8), "optimizer.safetensors");
        byte[] bytes = File.ReadAllBytes(path);
        bytes.AsSpan(bytes.Length / 2).Clear();
        File.WriteAllBytes(path, bytes);

        AssertFallsBack(run, path);
    }

    [Fact]
    public void Another_step_is_noticed_even_in_a_checkpoint_that_is_whole()
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 8 });
        string state = Path.Combine(run.Checkpoint(8), "state.json");
        File.WriteAllText(state, File.ReadAllText(state).Replace("\"step\": 8", "\"step\": 9", StringComparison.Ordinal));
        CheckpointManifest.Write(run.Checkpoint(8));

        AssertFallsBack(run, "it is one of step 9.");
    }

    [Fact]
    public void Where_no_checkpoint_can_be_used_the_run_is_not_begun_anew_in_silence()
    {
        using var run = new TinyRun();
        run.Start(recorder: new Recorder { StopAfter = 2 });
        File.Delete(Path.Combine(run.Checkpoint(2), "state.json"));

        string checkpoints = Path.GetDirectoryName(run.Checkpoint(2))!;
        Assert.Equal(
            $"{run.Checkpoint(2)} cannot be used: {Path.Combine(run.Checkpoint(2), "state.json")} is missing. There is no other checkpoint to go on from; without {checkpoints} the run begins anew.",
            run.ResumeFailure());
        Assert.Equal(["step-000000002"], run.Checkpoints());
    }

    [Theory]
    [InlineData("seed: 11", "seed: 12")]
    [InlineData("batch: 4", "batch: 2")]
    [InlineData("context: 16", "context: 8")]
    [InlineData("learning_rate: 0.01", "learning_rate: 0.02")]
    [InlineData("weight_decay: 0.1", "weight_decay: 0.2")]
    [InlineData("rank: 4", "rank: 5")]
    public void A_setting_that_was_edited_is_refused_with_both_values(string before, string now)
    {
        using var run = new TinyRun();
        run.Start(recorder: new Recorder { StopAfter = 5 });
        string path = Path.Combine(run["run"], RunFile.Name);
        string text = File.ReadAllText(path);
        Assert.Contains(before, text, StringComparison.Ordinal);
        File.WriteAllText(path, text.Replace(before, now, StringComparison.Ordinal));

        Assert.Equal($"{path} says '{now}', and {run.Checkpoint(5)} comes of '{before}'; put it back, or start a new run.", run.ResumeFailure());

        File.WriteAllText(path, text);
        Assert.False(run.Resume().Interrupted);
    }

    [Fact]
    public void Settings_that_do_not_decide_what_was_computed_may_change()
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 5 });
        TrainingResult result = TrainingRun.Resume(
            run["run"],
            new Recorder(),
            saved => saved with { CheckpointEvery = 4, KeepCheckpoints = 1, ValidateEvery = 0, Device = "cpu" },
            TestContext.Current.CancellationToken);

        Assert.False(result.Interrupted);
        Assert.Equal(["step-000000010"], run.Checkpoints());
        Assert.Equal(run.Bytes("whole", "model.safetensors"), run.Bytes("run", "model.safetensors"));
        string message = Assert.Throws<DynConvException>(() => TrainingRun.Resume(
            run["run"], new Recorder(), saved => saved with { Seed = 3 }, TestContext.Current.CancellationToken)).Message;
        Assert.Equal($"--resume continues a run as it was started, and 'seed: 3' is not what {Path.Combine(run["run"], RunFile.Name)} says; leave the option out or start a new run.", message);
    }

    [Fact]
    public void As_many_checkpoints_are_kept_as_asked_for()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { CheckpointEvery = 1, KeepCheckpoints = 4, Steps = 6 };
        run.Start();
        Assert.Equal(["step-000000003", "step-000000004", "step-000000005", "step-000000006"], run.Checkpoints());
    }

    [Fact]
    public void The_best_checkpoint_is_the_one_with_the_lowest_validation_loss_however_often_the_run_was_resumed()
    {
        using var run = new TinyRun();

        // The rate is such that it gets worse again and again.
        run.Configuration = run.Configuration with { KeepBest = true, ValidationTokens = 1_000_000, Steps = 16, ValidateEvery = 2, CheckpointEvery = 3, LearningRate = 0.1, Schedule = "constant", Warmup = 0 };
        var whole = new Recorder();
        run.Start("whole", whole);
        run.Start(recorder: new Recorder { StopAfter = 5 });
        Assert.Throws<Recorder.DeathException>(() => run.Resume(recorder: new Recorder { DieAfter = 11 }));
        run.Resume();

        string best = Path.Combine(run["run"], "checkpoints", "best");
        (long step, EvaluationResult least) = whole.Validations.MinBy(validation => validation.Result.Loss);
        Assert.Equal(step, RunState.Read(best).Step);
        Assert.Equal(run.Bytes("whole", "checkpoints", "best", "model.safetensors"), run.Bytes("run", "checkpoints", "best", "model.safetensors"));
        CheckpointManifest.Verify(best, "model.safetensors");
        using LanguageModel model = ModelFolder.Load(best);
        Assert.Equal(257, TokenizerLoader.Load(best).VocabularySize);
        Assert.Equal(least.Loss, RunState.Read(best).ValidationLoss);
    }

    [Fact]
    public void The_best_checkpoint_serves_where_all_others_are_damaged()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { KeepBest = true };
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 7 });
        foreach (string name in run.Checkpoints().Where(name => name != "best"))
        {
            File.Delete(Path.Combine(run["run"], "checkpoints", name, "model.safetensors"));
        }

        var recorder = new Recorder();
        run.Resume(recorder: recorder);
        Assert.Equal(5, recorder.Begun!.FirstStep);
        Assert.Equal(2, recorder.Notes.Count);
        Assert.Equal(run.Bytes("whole", "model.safetensors"), run.Bytes("run", "model.safetensors"));
    }

    [Theory]
    [InlineData("short")]
    [InlineData("half a row")]
    [InlineData("missing")]
    [InlineData("zeroed")]
    [InlineData("nonsense")]
    public void A_log_that_lost_rows_is_repaired_and_that_is_said(string damage)
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 6 });
        string path = Path.Combine(run["run"], "metrics.jsonl");
        string[] lines = File.ReadAllLines(path);
        Assert.Equal(7, lines.Length);
        byte[] bytes = File.ReadAllBytes(path);
        int fifth = string.Join('\n', lines[..5]).Length + 1;
        (byte[] content, string lost) = damage switch
        {
            "short" => (bytes[..fifth], "5 to 6"),
            "half a row" => (bytes[..(fifth + 9)], "5 to 6"),
            "zeroed" => ([.. bytes[..fifth], .. new byte[bytes.Length - fifth]], "5 to 6"),
            "nonsense" => ([.. System.Text.Encoding.UTF8.GetBytes("{\"step\":\n[1]\n\"\\ud800\"\n{\"step\":2}\n"), .. bytes[fifth..]], "1 to 4"),
            _ => ([], "1 to 6"),
        };
        File.Delete(path);
        if (damage != "missing")
        {
            File.WriteAllBytes(path, content);
        }

        var recorder = new Recorder();
        run.Resume(recorder: recorder);

        Assert.Equal($"{path} lacks rows that were there at the checkpoint of step 6: the losses of step {lost} are lost; the weights are not touched by that.", Assert.Single(recorder.Notes));
        Assert.Equal(run.Bytes("whole", "model.safetensors"), run.Bytes("run", "model.safetensors"));
        Assert.Equal(run.Metrics("whole")[^6..], run.Metrics()[^6..]);
        Assert.NotEmpty(RunCurves.Read(run["run"]).Training);

        var again = new Recorder();
        run.Resume(recorder: again);
        Assert.Empty(again.Notes);
    }

    [Fact]
    public void A_finished_run_goes_on_beyond_its_end_as_one_of_that_length_would()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Schedule = "constant", Warmup = 2 };
        run.Start();
        run.Configuration = run.Configuration with { Steps = 14 };
        run.Start("whole");

        TrainingRun.Resume(run["run"], new Recorder(), saved => saved with { Steps = 14 }, TestContext.Current.CancellationToken);

        run.AssertSameOutcome("whole", "run");
        Assert.Equal((run["run"], null), RunModel.Find(run["run"]));
    }

    [Fact]
    public void The_model_of_an_earlier_end_does_not_pass_for_the_finished_one()
    {
        using var run = new TinyRun();
        run.Start();
        var stopped = new Recorder { StopAfter = 12 };
        TrainingRun.Resume(run["run"], stopped, saved => saved with { Steps = 14 }, stopped.Stop);

        Assert.False(RunRecord.Read(run["run"]).IsFinished);
        Assert.Equal((run.Checkpoint(12), 12), RunModel.Find(run["run"]));
    }

    [Fact]
    public void The_model_of_an_earlier_end_does_not_pass_for_that_of_the_last_step_either()
    {
        using var run = new TinyRun();
        run.Start();
        var stopped = new Recorder { StopAfter = 14 };
        TrainingRun.Resume(run["run"], stopped, saved => saved with { Steps = 14 }, stopped.Stop);

        // All steps are done; the final validation, after which the model is written, is not.
        Assert.False(RunRecord.Read(run["run"]).IsFinished);
        Assert.Equal((run.Checkpoint(14), 14), RunModel.Find(run["run"]));
    }

    [Fact]
    public void Of_a_run_that_removes_a_checkpoint_while_it_is_read_the_newest_one_is_read()
    {
        using var run = new TinyRun();
        run.Start(recorder: new Recorder { StopAfter = 8 });
        Directory.Move(run.Checkpoint(8), run.Checkpoint(7));
        string newer = run.Checkpoint(9);
        var read = new List<string>();

        (string, long?) found = RunModel.Read(run["run"], (folder, step) =>
        {
            read.Add(folder);
            if (read.Count > 1)
            {
                return (folder, step);
            }

            Directory.Move(folder, newer);
            throw new DynConvException("a file is missing.");
        });

        Assert.Equal([run.Checkpoint(7), newer], read);
        Assert.Equal((newer, 9), found);
        Assert.Throws<DynConvException>(() => RunModel.Read<int>(run["run"], (_, _) => throw new DynConvException("a file is damaged.")));
    }

    [Fact]
    public void A_finished_run_without_checkpoints_is_not_trained_from_the_start()
    {
        using var run = new TinyRun();
        run.Start();
        Directory.Delete(Path.Combine(run["run"], "checkpoints"), recursive: true);
        Assert.Equal($"{run["run"]} is finished and has no checkpoint to go on from; its model is in it.", run.ResumeFailure());
    }

    [Fact]
    public void Documentation_lists_what_may_change()
    {
        string page = File.ReadAllText(Path.Combine(DynConv.Tests.Repository.Folder, "docs", "runs.md"));
        string list = page[page.IndexOf("May change:", StringComparison.Ordinal)..];
        list = list[..list.IndexOf("\n\n", StringComparison.Ordinal)];
        Assert.Equal(
            ResumeRules.MayChange.Order(StringComparer.Ordinal),
            System.Text.RegularExpressions.Regex.Matches(list, "`([a-z_]+)`").Select(match => match.Groups[1].Value).Order(StringComparer.Ordinal));
    }

    private static void AssertFallsBack(TinyRun run, string reason)
    {
        var recorder = new Recorder();
        run.Resume(recorder: recorder);
        Assert.Equal(7, recorder.Begun!.FirstStep);
        Assert.Contains(reason, Assert.Single(recorder.Notes), StringComparison.Ordinal);
        Directory.Delete(run.Checkpoint(8) + ".damaged", recursive: true);
        run.AssertSameOutcome("whole", "run");
    }
}
