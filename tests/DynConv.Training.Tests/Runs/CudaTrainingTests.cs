using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Optimizers;
using DynConv.Tests;
using DynConv.Training.Data;
using DynConv.Training.Optimization;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

/// <summary>Whole runs on a card; skipped where there is none.</summary>
[Trait("Uses", "compiler")]
public sealed class CudaTrainingTests
{
    [Theory]
    [InlineData("none", "qkv")]
    [InlineData("static", "all")]
    [InlineData("headwise", "all")]
    [InlineData("lowrank", "all")]
    public void The_loss_curve_is_the_CPUs(string conv, string placement)
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Conv = conv, Placement = placement, HeadSize = 4, Steps = Steps(), ValidateEvery = 0, CheckpointEvery = 0 };
        run.Start("cpu");
        run.Configuration = OnCard(run, "float32");
        run.Start("float32");
        run.Configuration = OnCard(run, "bfloat16");
        run.Start("bfloat16");

        double[] wanted = run.Losses("cpu");
        Assert.All(wanted.Zip(run.Losses("float32")), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        Assert.All(wanted.Zip(run.Losses("bfloat16")), pair => Assert.Equal(pair.First, pair.Second, 0.05));
    }

    [Fact]
    public void The_loss_curve_of_a_packed_run_is_the_CPUs_and_no_bounds_stay_on_the_card()
    {
        using var run = new TinyRun();
        File.WriteAllLines(run["lines.jsonl"], Enumerable.Range(0, 300).Select(i => $$"""{"text":"Line {{i}}{{new string('.', i % 9)}}"}"""));
        run.Configuration = run.Configuration with { Data = [run["lines.jsonl"]], Pack = true, Accumulate = 2, Steps = Steps(), CheckpointEvery = 0 };
        run.Start("cpu");
        run.Configuration = OnCard(run, "float32");
        long before = Device.Cuda().Memory.LiveBuffers;
        var live = new List<long>();
        run.Start("card", new Recorder { AtStep = _ => live.Add(Device.Cuda().Memory.LiveBuffers) });

        Assert.All(run.Losses("cpu").Zip(run.Losses("card")), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        Assert.Single(live.Skip(2).SkipLast(1).Distinct());
        Assert.Equal(before, Device.Cuda().Memory.LiveBuffers);
    }

    [Fact]
    public void A_resumed_run_has_the_bits_of_one_that_was_never_interrupted()
    {
        using var run = new TinyRun();
        run.Configuration = OnCard(run, "bfloat16") with { Accumulate = 2 };
        run.Start("whole");
        run.Start("parts", new Recorder { StopAfter = 4 });
        run.Resume("parts");

        Assert.Equal(run.Metrics("whole"), run.Metrics("parts"));
        Assert.Equal(run.Bytes("whole", "model.safetensors"), run.Bytes("parts", "model.safetensors"));
    }

    [Fact]
    public void A_run_records_where_and_in_what_it_computes()
    {
        using var run = new TinyRun();
        run.Configuration = OnCard(run, null) with { Device = "cuda", Steps = 2 };
        var recorder = new Recorder();

        TrainingResult result = run.Start(recorder: recorder);

        TrainingConfiguration saved = RunFile.Read(Path.Combine(run["run"], RunFile.Name));
        Assert.Equal(("cuda:0", "bfloat16"), (saved.Device, saved.Dtype));
        Assert.Equal(DType.BFloat16, recorder.Begun!.ComputeType);
        Assert.NotNull(recorder.Kernels);
        Assert.True(result.PeakMemoryBytes > 0);
    }

    [Fact]
    public void Memory_is_flat_from_the_third_step_on()
    {
        using var run = new TinyRun();
        run.Configuration = OnCard(run, "bfloat16") with { Steps = 12, ValidateEvery = 0, CheckpointEvery = 0 };
        MemoryPool memory = Device.Cuda().Memory;
        long before = memory.LiveBuffers;
        var reserved = new List<long>();
        run.Start(recorder: new Recorder { AtStep = _ => reserved.Add(memory.ReservedBytes) });

        Assert.Single(reserved.Skip(2).Distinct());
        Assert.Equal(before, memory.LiveBuffers);
    }

    [Theory]
    [InlineData("float32")]
    [InlineData("bfloat16")]
    public void A_step_that_is_not_finite_changes_nothing_and_neither_do_those_queued_after_it(string dtype)
    {
        using var run = new TinyRun();
        TrainingConfiguration configuration = (OnCard(run, dtype) with { Accumulate = 2 }).Resolve();
        using TokenDataset data = TokenCache.OpenOrEncode(run["data"], TextSource.Find([run.Text]), new ByteTokenizer());
        using var model = new LanguageModel(configuration.ModelConfiguration(257), 1, Device.Cuda(), ComputeTypes.Parse(dtype, Device.Cuda()));
        using Optimizer optimizer = OptimizerKinds.Create(model, configuration);
        using var loop = new TrainingLoop(configuration, model, optimizer, new BatchSampler(data, 16, 0));
        loop.Step();
        Fill(model, "model.norm.weight", float.NaN);
        Dictionary<string, float[]> before = Weights(model);

        TrainingStep broken = loop.Step();
        string message = Assert.Throws<NonFiniteStepException>(loop.Step).Message;

        Assert.Equal(before, Weights(model));
        Assert.Equal((2, 1), (broken.Number, optimizer.StepCount));
        Assert.Equal(2, loop.RecordedSteps);
        Assert.StartsWith("Step 2: the loss is NaN. add_rms_norm in model.norm produced a non-finite value.", message);

        // Mended, the run goes on from there.
        Fill(model, "model.norm.weight", 1);
        Assert.True(double.IsFinite(loop.Step().Loss));
        Assert.NotEqual(before["model.embed_tokens.weight"], Weights(model)["model.embed_tokens.weight"]);
    }

    // A card takes seconds for this; the emulator, on which a step takes seconds, shows the same in fewer steps.
    private static int Steps() => Card.OrSkip().Name.Contains("emulat", StringComparison.OrdinalIgnoreCase) ? 5 : 100;

    private static TrainingConfiguration OnCard(TinyRun run, string? dtype)
    {
        Card.OrSkip();
        return run.Configuration with { Device = "cuda:0", Dtype = dtype };
    }

    private static void Fill(LanguageModel model, string name, float value)
    {
        using var scope = new TensorScope();
        Tensor weight = model.NamedParameters().Single(parameter => parameter.Key == name).Value.Tensor.Detach();
        weight.CopyFrom(Tensor.From(Enumerable.Repeat(value, (int)weight.Count).ToArray(), weight.Shape));
    }

    private static Dictionary<string, float[]> Weights(LanguageModel model) =>
        model.NamedParameters().ToDictionary(p => p.Key, p => p.Value.Tensor.ToArray<float>());
}
