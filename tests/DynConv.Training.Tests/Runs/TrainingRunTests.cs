using System.Xml.Linq;
using DynConv.Cpu;
using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

public sealed class TrainingRunTests
{
    [Theory]
    [InlineData("none")]
    [InlineData("static")]
    [InlineData("headwise")]
    [InlineData("lowrank")]
    public void The_loss_falls(string conv)
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Conv = conv, HeadSize = 4, Steps = 40, ValidateEvery = 0, CheckpointEvery = 0 };
        var recorder = new Recorder();

        TrainingResult result = run.Start(recorder: recorder);

        double[] losses = [.. recorder.Steps.Select(step => step.Loss)];
        Assert.Equal(Math.Log(257), losses[0], 0.1);
        Assert.InRange(losses[^5..].Average(), 0, 3.5);
        Assert.InRange(result.Validation!.Loss, 0, 3.5);
        Assert.Equal(run.Losses(), losses);
    }

    [Fact]
    public void A_finished_run_holds_all_that_is_promised()
    {
        using var run = new TinyRun();
        var recorder = new Recorder();
        TrainingResult result = run.Start(recorder: recorder);

        Assert.Equal(
            ["checkpoints", "config.json", "data", "generation_config.json", "loss.svg", "metrics.jsonl", "model.safetensors", "run.yaml", "tokenizer.json", "tokenizer_config.json"],
            Directory.GetFileSystemEntries(run["run"]).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal));
        Assert.Equal(["step-000000009", "step-000000010"], run.Checkpoints());
        Assert.Equal(run.Checkpoint(10), result.Checkpoint);
        Assert.False(result.Interrupted);
        Assert.Equal(10, result.Steps);
        Assert.Equal([4, 8, 10], recorder.Validations.Select(validation => validation.Step));
        Assert.Equal([3, 6, 9, 10], recorder.Checkpoints.Select(path => long.Parse(path[^9..], null)));
        Assert.Equal(new FileInfo(run.Text).Length, recorder.EncodedBytes);
        Assert.Equal(1, recorder.Begun!.FirstStep);
        Assert.Equal(10 * 4 * 16, recorder.Steps[^1].Tokens);
        Assert.Equal("svg", XDocument.Load(Path.Combine(run["run"], "loss.svg")).Root!.Name.LocalName);
        Assert.Equal(24, result.SamplePrompt.Count);
    }

    [Fact]
    public void The_model_of_a_run_evaluates_as_the_run_said()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Valid = [run["valid.txt"]] };
        File.WriteAllText(run["valid.txt"], TinyRun.Words(300));
        TrainingResult result = run.Start();

        using LanguageModel model = ModelFolder.Load(run["run"]);
        EvaluationResult again = Evaluator.EvaluateText(model, TokenizerLoader.Load(run["run"]), [run["valid.txt"]], 16);

        Assert.Equal(result.Validation, again);
        Assert.Equal(File.ReadAllBytes(run["valid.txt"]).Length, again.Bytes + 1);
        Assert.Equal(run.Bytes("run", "checkpoints", "step-000000010", "model.safetensors").Length, run.Bytes("run", "model.safetensors").Length);
        Assert.Equal(16, model.Configuration.MaxPositions);
    }

    [Fact]
    public void The_settings_that_are_saved_give_the_same_run()
    {
        using var run = new TinyRun();
        run.Start("first");
        run.Configuration = RunFile.Read(Path.Combine(run["first"], RunFile.Name));
        run.Start("second");

        Assert.Equal(run.Bytes("first", RunFile.Name), run.Bytes("second", RunFile.Name));
        run.AssertSameOutcome("first", "second");
    }

    [Fact]
    public void Another_seed_gives_another_run()
    {
        using var run = new TinyRun();
        run.Start("first");
        run.Configuration = run.Configuration with { Seed = 12 };
        run.Start("second");

        Assert.NotEqual(run.Losses("first"), run.Losses("second"));
    }

    [Fact]
    public void The_number_of_threads_does_not_matter()
    {
        using var run = new TinyRun();

        // Large enough for every op to have more blocks of work than threads.
        run.Configuration = run.Configuration with
        {
            Model = new ModelOverrides { HiddenSize = 64, Layers = 1, AttentionHeads = 4 },
            Placement = "all",
            Context = 64,
            Batch = 8,
            Steps = 3,
        };
        foreach (int count in new[] { 1, 2, 3 })
        {
            using IDisposable limit = CpuSettings.LimitThreads(count);
            run.Start($"threads-{count}");
        }

        run.AssertSameOutcome("threads-1", "threads-2");
        run.AssertSameOutcome("threads-1", "threads-3");
    }

    [Fact]
    public void Speed_is_that_of_the_steps_alone()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Steps = 5, CheckpointEvery = 3 };
        var recorder = new Recorder { AtCheckpoint = step => Thread.Sleep(step == 3 ? 1000 : 0) };

        run.Start(recorder: recorder);

        // A tenth of the pause would show in the smoothed time of a step, which is of a few milliseconds.
        Assert.InRange(4 * 16 / recorder.Steps[3].TokensPerSecond, 0, 0.1);
        Assert.True(recorder.Steps[3].Seconds > recorder.Steps[2].Seconds + 0.9);
    }

    [Fact]
    public void Many_small_micro_batches_train_as_one_large_one()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { LearningRate = 1e-3, Warmup = 0.5, Epsilon = 1e-4 };
        foreach ((int batch, int accumulate) in new[] { (4, 1), (2, 2), (1, 4) })
        {
            run.Configuration = run.Configuration with { Batch = batch, Accumulate = accumulate };
            run.Start($"{batch}x{accumulate}");
        }

        // The same tokens, with sums in another order: the first loss differs by roundings of float32. AdamW divides
        // each gradient by its own size and so spreads such differences, by less than a digit in these few steps.
        foreach (string name in new[] { "2x2", "1x4" })
        {
            double[] expected = run.Losses("4x1");
            double[] actual = run.Losses(name);
            Assert.Equal(expected[0], actual[0], 1e-6);
            Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
        }
    }

    [Fact]
    public void From_the_third_step_on_memory_is_flat()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Steps = 12, Accumulate = 2, ValidateEvery = 0, CheckpointEvery = 0, QkNorm = true, Placement = "all" };
        MemoryPool memory = Device.Cpu.Memory;
        Assert.True(memory.Poison);
        long before = memory.LiveBuffers;
        var live = new List<long>();
        var peaks = new List<long>();
        var reserved = new List<long>();
        // How many threads work at a moment, each with scratch memory of its own, is left to chance: one makes the peak exact.
        using (CpuSettings.LimitThreads(1))
        {
            run.Start(recorder: new Recorder
            {
                AtStep = _ =>
                {
                    live.Add(memory.LiveBuffers);
                    peaks.Add(memory.PeakLiveBytes);
                    reserved.Add(memory.ReservedBytes);
                    memory.ResetPeak();
                },
            });
        }

        Assert.Equal(12, live.Count);
        Assert.Single(live.Skip(2).Distinct());
        Assert.Single(peaks.Skip(2).Distinct());
        Assert.Single(reserved.Skip(2).Distinct());
        Assert.Equal(before, memory.LiveBuffers);
    }

    [Fact]
    public void After_a_step_only_parameters_moments_and_tables_are_alive()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Steps = 5, ValidateEvery = 2, CheckpointEvery = 2 };
        var live = new List<long>();
        long before = Device.Cpu.Memory.LiveBuffers;
        run.Start(recorder: new Recorder { AtStep = _ => live.Add(Device.Cpu.Memory.LiveBuffers - before) });

        // A layer has two norms, two input matrices and two output matrices, each with its generators in it, and three
        // low-rank convolutions with two parameters of their own; beside the layers there are the embedding, the last
        // norm and the table of angles. Every parameter has two moments, also those that are slices of one matrix.
        const int Weights = (2 * (2 + 4 + 6)) + 2 + 1;
        // The loop has a number of its own.
        const int Parameters = (2 * (2 + 7 + 9)) + 2;
        const int Loop = 1;
        Assert.All(live, count => Assert.Equal(Weights + (2 * Parameters) + Loop, count));
    }
}
