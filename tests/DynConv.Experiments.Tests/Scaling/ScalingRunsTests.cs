using DynConv.Experiments.Scaling;
using DynConv.Training;
using DynConv.Training.Runs;
using DynConv.Training.Tests.Runs;

namespace DynConv.Experiments.Tests.Scaling;

public sealed class ScalingRunsTests : IDisposable
{
    private static readonly MixerPattern? Hybrid = RunFile.Parse(
        "model: {sequence_mixers: [attention, {type: attention, position_embedding_type: nope}]}").Model.SequenceMixers;

    private readonly TinyRun _tiny = new();

    public void Dispose() => _tiny.Dispose();

    [Fact]
    public void Runs_are_sorted_by_kind_and_told_apart_where_one_kind_comes_in_several_ways()
    {
        TrainingConfiguration ground = _tiny.Configuration with { Steps = 2, CheckpointEvery = 0 };
        TrainingConfiguration[] all =
        [
            ground with { Conv = "none" },
            ground with { Conv = "none", Steps = 3 },
            ground with { Rank = 2 },
            ground with { Rank = 4, Placement = "q,v", QkNorm = true },
            ground with { Conv = "none", Model = ground.Model with { SequenceMixers = Hybrid } },
        ];
        for (int i = 0; i < all.Length; i++)
        {
            _tiny.Configuration = all[i];
            _tiny.Start($"runs/{i}");
        }

        IReadOnlyList<ScalingArchitecture> found = ScalingRuns.Read([_tiny["runs"], _tiny["runs/1"]]);
        Assert.Equal(
            ["none", "none [plain; without positions]", "lowrank R=2 W=4 q,k,v", "lowrank R=4 W=4 q,v QK-norm"],
            found.Select(one => one.Name));
        Assert.Equal([2 * 4 * 16, 3 * 4 * 16], found[0].Points.Select(point => point.Flops / FlopsPerToken(found[0].Points[0])));
        Assert.Equal(RunRecord.Read(_tiny["runs/1"]).Loss, found[0].Points[1].Loss);

        static double FlopsPerToken(ScalingPoint point) => point.Flops / (2 * 4 * 16);
    }

    [Fact]
    public void Packed_and_unpacked_runs_do_not_go_together()
    {
        // In one long document the same targets count either way: only the setting tells the two apart.
        foreach (bool pack in new[] { false, true })
        {
            _tiny.Configuration = _tiny.Configuration with { Pack = pack, Steps = 2 };
            _tiny.Start($"runs/{pack}");
        }

        Assert.EndsWith(" are not of the same text, tokenizer, context and packing, so no law holds for both.", Failure(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_was_stopped_or_is_damaged_is_refused()
    {
        var recorder = new Recorder { StopAfter = 3 };
        _tiny.Start("runs/half", recorder);
        Assert.Contains("A run is not finished, as ", Failure(), StringComparison.Ordinal);

        // Half a line is what a process that was killed leaves; a damaged line before the last is another matter.
        string metrics = Path.Combine(_tiny["runs/half"], "metrics.jsonl");
        File.AppendAllText(metrics, "{\"step\": 4, \"lo");
        Assert.Equal(3, RunRecord.Read(_tiny["runs/half"]).StepsDone);
        File.AppendAllText(metrics, "\n{}\n{\"step\": 4}\n");
        Assert.Contains("metrics.jsonl, line 4 is not a line of metrics and was left out, as were 2 more lines.", Failure(), StringComparison.Ordinal);
    }

    private string Failure() => Assert.Throws<DynConvException>(() => ScalingRuns.Read([_tiny["runs"]])).Message;
}
