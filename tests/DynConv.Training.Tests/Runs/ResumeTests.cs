using DynConv.Serialization;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

public sealed class ResumeTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(4, 1)]
    [InlineData(9, 1)]
    [InlineData(2, 3)]
    [InlineData(5, 3)]
    [InlineData(4, 2, "muon")]
    public void A_run_that_was_stopped_ends_as_one_that_was_not(long stop, int accumulate, string optimizer = "adamw")
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Accumulate = accumulate, Batch = 2, Optimizer = optimizer };
        run.Start("whole");

        TrainingResult stopped = run.Start(recorder: new Recorder { StopAfter = stop });
        Assert.True(stopped.Interrupted);
        Assert.Null(stopped.Validation);
        Assert.Equal(stop, stopped.Steps);
        Assert.Equal(run.Checkpoint(stop), stopped.Checkpoint);
        Assert.False(File.Exists(Path.Combine(run["run"], "model.safetensors")));

        var recorder = new Recorder();
        TrainingResult finished = run.Resume(recorder: recorder);
        Assert.Equal(stop + 1, recorder.Begun!.FirstStep);
        Assert.False(finished.Interrupted);
        Assert.Equal(run.Metrics("whole"), run.Metrics());
        Assert.Equal(run.Bytes("whole", "model.safetensors"), run.Bytes("run", "model.safetensors"));
        Assert.Equal(
            run.Bytes("whole", "checkpoints", "step-000000010", "optimizer.safetensors"),
            run.Bytes("run", "checkpoints", "step-000000010", "optimizer.safetensors"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(10)]
    public void A_run_that_died_ends_as_one_that_did_not(long death)
    {
        using var run = new TinyRun();
        run.Start("whole");

        Assert.Throws<Recorder.DeathException>(() => run.Start(recorder: new Recorder { DieAfter = death }));
        Assert.Throws<Recorder.DeathException>(() => run.Resume(recorder: new Recorder { DieAfter = death }));
        run.Resume();

        run.AssertSameOutcome("whole", "run");
    }

    [Fact]
    public void A_run_that_died_after_its_last_checkpoint_is_finished()
    {
        using var run = new TinyRun();
        run.Start("whole");
        Assert.Throws<Recorder.DeathException>(() => run.Start(recorder: new Recorder
        {
            AtCheckpoint = step => _ = step == 10 ? throw new Recorder.DeathException() : 0,
        }));
        Assert.False(File.Exists(Path.Combine(run["run"], "model.safetensors")));

        var recorder = new Recorder();
        TrainingResult result = run.Resume(recorder: recorder);

        Assert.Empty(recorder.Steps);
        Assert.NotNull(result.Validation);
        run.AssertSameOutcome("whole", "run");
    }

    [Fact]
    public void A_finished_run_can_be_resumed_and_stays_as_it_is()
    {
        using var run = new TinyRun();
        TrainingResult first = run.Start();
        byte[] weights = run.Bytes("run", "model.safetensors");
        string[] metrics = run.Metrics();

        TrainingResult again = run.Resume();

        Assert.Equal(first.Validation, again.Validation);
        Assert.Equal(weights, run.Bytes("run", "model.safetensors"));
        Assert.Equal(metrics, run.Metrics());
    }

    [Fact]
    public void The_time_of_the_earlier_part_counts()
    {
        using var run = new TinyRun();
        var first = new Recorder { StopAfter = 5 };
        run.Start(recorder: first);
        var recorder = new Recorder();
        TrainingResult finished = run.Resume(recorder: recorder);

        Assert.True(recorder.Steps[0].Seconds > first.Steps[^1].Seconds);
        Assert.True(finished.Seconds > recorder.Steps[0].Seconds);
    }

    [Fact]
    public void A_run_that_is_there_is_not_started_again()
    {
        using var run = new TinyRun();
        run.Start(recorder: new Recorder { StopAfter = 2 });
        Assert.Equal($"{run["run"]} holds a run already; use --resume to continue it, or another folder.", run.StartFailure());
        Assert.Equal(["step-000000002"], run.Checkpoints());
    }

    [Fact]
    public void Where_there_is_no_run_there_is_nothing_to_resume()
    {
        using var run = new TinyRun();
        Assert.Equal(
            $"{run["run"]} holds no run to resume: there is no {Path.Combine(run["run"], "run.yaml")}.", run.ResumeFailure());
        Assert.False(Directory.Exists(run["run"]));
    }

    [Fact]
    public void Half_written_checkpoints_are_ignored()
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 5 });
        foreach (string name in new[] { "step-000000006.tmp", "step-000000004.old.tmp", "step-later" })
        {
            Directory.CreateDirectory(Path.Combine(run["run"], "checkpoints", name));
            File.WriteAllText(Path.Combine(run["run"], "checkpoints", name, "model.safetensors"), "half");
        }

        var recorder = new Recorder();
        run.Resume(recorder: recorder);

        Assert.Equal(6, recorder.Begun!.FirstStep);
        Assert.Equal(run.Bytes("whole", "model.safetensors"), run.Bytes("run", "model.safetensors"));
    }

    [Theory]
    [InlineData("model.safetensors", "truncated")]
    [InlineData("optimizer.safetensors", "truncated")]
    [InlineData("optimizer.safetensors", "missing")]
    [InlineData("manifest.json", "missing")]
    [InlineData("settings.yaml", "missing")]
    [InlineData("state.json", "missing")]
    [InlineData("state.json", "truncated")]
    [InlineData("state.json", "{}")]
    [InlineData("state.json", "null")]
    public void A_damaged_checkpoint_is_set_aside_and_the_one_before_it_serves(string file, string damage)
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 8 });
        string path = Path.Combine(run.Checkpoint(8), file);
        byte[] bytes = File.ReadAllBytes(path);
        File.Delete(path);
        if (damage != "missing")
        {
            File.WriteAllBytes(path, damage == "truncated" ? bytes[..^20] : System.Text.Encoding.UTF8.GetBytes(damage));
        }

        var recorder = new Recorder();
        run.Resume(recorder: recorder);

        Assert.Equal(7, recorder.Begun!.FirstStep);
        string note = Assert.Single(recorder.Notes);
        Assert.StartsWith($"{run.Checkpoint(8)} cannot be used: ", note);
        Assert.EndsWith($" The run goes on from {run.Checkpoint(6)}; what is damaged is now step-000000008.damaged, for you to look at or delete.", note);
        Directory.Delete(run.Checkpoint(8) + ".damaged", recursive: true);
        run.AssertSameOutcome("whole", "run");
    }

    [Fact]
    public void A_checkpoint_that_cannot_be_written_leaves_the_one_before_it_usable()
    {
        using var run = new TinyRun();
        run.Start("whole");
        string obstacle = run.Checkpoint(6) + ".tmp";
        DynConvException failure = Assert.Throws<DynConvException>(() => run.Start(recorder: new Recorder
        {
            AtStep = step =>
            {
                if (step.Step == 6)
                {
                    File.WriteAllText(obstacle, "in the way");
                }
            },
        }));
        Assert.StartsWith($"{run.Checkpoint(6)} could not be written: ", failure.Message);

        File.Delete(obstacle);
        var recorder = new Recorder();
        run.Resume(recorder: recorder);
        Assert.Equal(4, recorder.Begun!.FirstStep);
        run.AssertSameOutcome("whole", "run");
    }

    [Fact]
    public void Text_that_has_changed_is_refused_and_text_that_was_only_touched_is_not()
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 5 });
        string text = File.ReadAllText(run.Text);

        byte[] settings = run.Bytes("run", RunFile.Name);
        byte[] encoded = run.Bytes("run", "data/train/tokens-00000.bin");
        File.WriteAllText(run.Text, string.Concat("X", text.AsSpan(1)));
        Assert.Equal(
            $"The text has changed since it was encoded in {Path.Combine(run["run"], "data", "train")}, so the run cannot be continued; put {run.Text} back as it was, or start a new run.",
            run.ResumeFailure());

        // A run that is refused stays as it was, also where other settings were asked for.
        Assert.Throws<DynConvException>(() => TrainingRun.Resume(run["run"], new Recorder(), saved => saved with { Steps = 500 }, TestContext.Current.CancellationToken));
        Assert.Equal(settings, run.Bytes("run", RunFile.Name));
        Assert.Equal(encoded, run.Bytes("run", "data/train/tokens-00000.bin"));

        File.WriteAllText(run.Text, text);
        run.Resume();
        Assert.Equal(run.Bytes("whole", "model.safetensors"), run.Bytes("run", "model.safetensors"));
    }

    [Fact]
    public void Text_at_another_place_has_to_be_the_same_and_sources_keep_their_shares()
    {
        using var run = new TinyRun();
        string copy = run.Text + ".copy";
        string other = run.Text + ".other";
        File.Copy(run.Text, copy);
        File.WriteAllText(other, new string(' ', 100) + File.ReadAllText(run.Text));
        run.Start(recorder: new Recorder { StopAfter = 5 });
        string Refusal(params string[] data) => Assert.Throws<DynConvException>(() =>
            TrainingRun.Resume(run["run"], new Recorder(), saved => saved with { Data = data }, TestContext.Current.CancellationToken)).Message;

        Assert.StartsWith("The text has changed since it was encoded in ", Refusal(other));
        Assert.Contains("--resume continues a run as it was started", Refusal(copy + ":0.5", other + ":0.5"));
        TrainingRun.Resume(run["run"], new Recorder(), saved => saved with { Data = [copy] }, TestContext.Current.CancellationToken);
        Assert.Contains(copy, File.ReadAllText(Path.Combine(run["run"], RunFile.Name)));
    }

    [Fact]
    public void A_run_goes_on_with_the_optimizer_that_it_was_started_with()
    {
        using var run = new TinyRun();
        run.Start(recorder: new Recorder { StopAfter = 2 });

        string message = Assert.Throws<DynConvException>(() =>
            TrainingRun.Resume(run["run"], new Recorder(), saved => saved with { Optimizer = "muon" }, TestContext.Current.CancellationToken)).Message;

        Assert.StartsWith("--resume continues a run as it was started, and 'optimizer: muon' is not what", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_of_a_version_that_had_AdamW_alone_goes_on_to_the_same_bits()
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 4 });
        foreach (string path in new[] { Path.Combine(run["run"], RunFile.Name), Path.Combine(run.Checkpoint(4), "settings.yaml") })
        {
            string[] lines = File.ReadAllLines(path);
            Assert.Contains("optimizer: adamw", lines);
            File.WriteAllLines(path, lines.Where(line => line != "optimizer: adamw"));
        }

        // Nor did its moments say how many steps they come of.
        string moments = Path.Combine(run.Checkpoint(4), "optimizer.safetensors");
        using (var scope = new TensorScope())
        {
            KeyValuePair<string, Tensor>[] tensors;
            using (var reader = new SafetensorsReader(moments))
            {
                Assert.Equal("4", reader.Metadata["step"]);
                tensors = [.. reader.Entries.Keys.Select(name => KeyValuePair.Create(name, reader.Read(name)))];
            }

            SafetensorsWriter.Write(moments, tensors);
        }

        CheckpointManifest.Write(run.Checkpoint(4));
        run.Resume();

        Assert.Equal(run.Bytes("whole", "model.safetensors"), run.Bytes("run", "model.safetensors"));
    }

    [Fact]
    public void A_saved_configuration_with_a_setting_left_out_still_resumes()
    {
        using var run = new TinyRun();
        run.Start(recorder: new Recorder { StopAfter = 5 });
        string path = Path.Combine(run["run"], RunFile.Name);
        File.WriteAllLines(path, File.ReadAllLines(path).Where(line => !line.StartsWith("validate_every", StringComparison.Ordinal)));

        Assert.False(run.Resume().Interrupted);
    }
}
