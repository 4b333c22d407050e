using DynConv.Diagnostics;
using DynConv.Models;
using DynConv.Tests;
using DynConv.Training.Data;
using DynConv.Training.Diagnostics;
using DynConv.Training.Tests.Runs;

namespace DynConv.Training.Tests.Diagnostics;

[Trait("Uses", "compiler")]
public sealed class TrainingBenchmarkTests
{
    private const int Vocabulary = 257;

    private static readonly DeviceCeilings Ceilings = new(CopyGbPerS: 100, ProductTflopPerS: 2);

    [Fact]
    public void A_step_on_a_card_is_told_kernel_by_kernel_and_leaves_nothing()
    {
        Device card = Card.OrSkip();
        long before = card.Memory.LiveBuffers;
        TrainingTiming timing = Measure(Tiny() with { Device = "cuda", Dtype = "bfloat16", Placement = "all" });

        Assert.Equal(before, card.Memory.LiveBuffers);
        Assert.Equal(
            ["RoPE", "SwiGLU", "attention backward", "attention forward", "convolutions", "copies and adds", "cross-entropy", "embedding", "matrix products", "norms", "optimizer"],
            timing.Groups.Select(group => group.Group).Order(StringComparer.Ordinal));
        Assert.Equal(timing.Kernels.Sum(kernel => kernel.Launches), timing.Groups.Sum(group => group.Launches));
        Assert.Equal(timing.StepMs, timing.Groups.Sum(group => group.Ms) + timing.NotInKernelsMs!.Value, 1e-9 * timing.StepMs);
        Assert.All(timing.Groups, group => Assert.Equal(group.Ms / timing.StepMs, group.Share));
        Assert.Equal(["q", "k", "v", "o", "gate", "up", "down"], timing.Placement);
        Assert.Equal("bfloat16", timing.DType);
    }

    [Fact]
    public void Rates_follow_from_the_median_step()
    {
        TrainingTiming timing = Measure(Tiny() with { Accumulate = 2, Pack = true, Conv = "none" });

        Assert.InRange(timing.StepMs, timing.FastestStepMs, timing.SlowestStepMs);
        Assert.Equal(2 * 16 / timing.StepMs * 1e3, timing.TokensPerSecond, 1e-9 * timing.TokensPerSecond);
        ModelConfiguration shape = Tiny().ModelConfiguration(Vocabulary).WithConvolutions(null, "qkv");
        Assert.Equal(FlopCounts.Of(shape, 16).Training, timing.FlopPerToken);
        Assert.Equal(timing.TokensPerSecond * timing.FlopPerToken / 1e12, timing.TflopPerS);
        Assert.Equal(timing.TflopPerS / 2, timing.OfProduct);
        Assert.Null(timing.Utilization);
        Assert.Equal(0.25, (timing with { PeakTflopPerS = 4 * timing.TflopPerS }).Utilization!.Value, 1e-12);

        // Weights, their gradients and two moments at least.
        Assert.InRange(timing.PeakBytes, 16 * timing.Parameters, timing.ReservedBytes);
        Assert.Empty(timing.Kernels);
        Assert.Null(timing.NotInKernelsMs);
        Assert.Equal(("none", 0, 3), (timing.Convolutions, timing.Placement.Count, timing.Steps));
    }

    [Fact]
    public void Random_ids_are_windows_of_documents_like_text()
    {
        const int Count = 4000;
        var ids = new RandomTokens(Count, vocabularySize: 7, meanDocument: 20, seed: 1);
        var all = new int[Count];
        ids.CopyTo(0, all);
        Assert.Equal(Enumerable.Range(0, 7), all.Distinct().Order());
        Assert.InRange(ids.DocumentStarts(0, Count).Count, Count / 30, Count / 10);

        var sampler = new BatchSampler(ids, context: 50, seed: 1);
        PackedBatch batch = sampler.Pack(0, 3);
        Assert.Equal(sampler.CountPackedTargets(0, 3), batch.CountedTargets);
        Assert.Equal(batch.CountedTargets, batch.Targets.ToArray().Count(target => target >= 0));
        Assert.InRange(batch.Bounds.Count, 5, 30);
    }

    private static TrainingConfiguration Tiny()
    {
        using var run = new TinyRun();
        return run.Configuration with { Model = run.Configuration.Model with { Layers = 1 }, Data = [], Batch = 1, Steps = 3 };
    }

    private static TrainingTiming Measure(TrainingConfiguration configuration)
    {
        using var benchmark = new TrainingBenchmark(configuration, Vocabulary);
        benchmark.Prepare();
        return benchmark.Measure(Ceilings);
    }
}
