using System.Collections.Concurrent;
using DynConv.Cpu;
using DynConv.Tests;
using DynConv.Experiments.Recall;

namespace DynConv.Experiments.Tests.Recall;

public sealed class RecallExperimentTests
{
    private static readonly RecallSettings Tiny = new()
    {
        Pairs = [1, 2],
        Seeds = 2,
        Steps = 6,
        TokensPerStep = 64,
        LearningRates = [0.01, 0.001],
        CurvePoints = 3,
        TestKeys = 32,
        Model = new RecallModel { Channels = 16, FeedForward = 16, Rank = 4 },
    };

    [Fact]
    public void All_kinds_are_trained_with_each_rate_and_then_with_the_best_one()
    {
        var recorder = new Recorder();
        RecallResult result = RecallExperiment.Run(Tiny, new Mqar(), observer: recorder);

        Assert.Equal(("mqar", 12), recorder.Task);
        Assert.Equal(12, RecallExperiment.Runs(Tiny));
        Assert.Equal(12, recorder.Outcomes.Count);
        Assert.Equal(12 * 3, recorder.Steps);
        Assert.Equal(8, result.Sweep.Count);
        foreach (string conv in RecallSettings.Kinds)
        {
            Assert.Equal([0, 1], result.Of(conv).Select(outcome => outcome.Run.Seed));
            RecallOutcome best = result.Sweep.Where(outcome => outcome.Run.Conv == conv).MaxBy(outcome => outcome.Validation)!;
            Assert.All(result.Of(conv), outcome => Assert.Equal(best.Run.LearningRate, outcome.Run.LearningRate));
            Assert.All(result.Of(conv), outcome => Assert.Equal([2, 4, 6], outcome.Curve.Select(point => point.Step)));
            Assert.All(result.Of(conv), outcome => Assert.Equal(2, outcome.Accuracy.Count));
        }
    }

    [Fact]
    public void No_figure_depends_on_the_number_of_threads_and_no_memory_is_kept()
    {
        long before = Device.Cpu.Memory.LiveBuffers;
        Assert.Equal(Run(threads: 1), Run(threads: 3));
        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);

        static string Run(int threads)
        {
            using IDisposable limit = CpuSettings.LimitThreads(threads);
            string figures = Figures(RecallExperiment.Run(Tiny, new MixedRecall()));
            Assert.Equal(threads, CpuSettings.Threads);
            return figures;
        }
    }

    [Fact]
    public void A_static_convolution_learns_pairs_at_once()
    {
        RecallSettings settings = Tiny with
        {
            Convolutions = ["static"],
            Pairs = [2],
            Seeds = 1,
            Steps = 200,
            TokensPerStep = 256,
            LearningRates = [0.02],
            TestKeys = 256,
        };
        RecallResult result = RecallExperiment.Run(settings, new NgramRecall { Symbols = 4, Values = 4 });
        Assert.InRange(result.Accuracy("static", 2).Median, 0.9, 1);
        Assert.True(result.Runs[0].Curve[^1].Loss < 0.5 * result.Runs[0].Curve[0].Loss);
    }

    [Fact]
    public void On_a_card_the_losses_are_the_CPUs()
    {
        Device card = Card.OrSkip();
        RecallSettings settings = Tiny with { Seeds = 1, Steps = 3, LearningRates = [0.001] };
        double[] Losses(Device device) =>
            [.. RecallExperiment.Run(settings, new MixedRecall(), device).Runs.SelectMany(run => run.Curve).Select(point => point.Loss)];
        Assert.All(Losses(Device.Cpu).Zip(Losses(card)), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
    }

    [Fact]
    public void It_stops_when_asked_and_leaves_nothing_behind()
    {
        long before = Device.Cpu.Memory.LiveBuffers;
        using var stop = new CancellationTokenSource();
        var recorder = new Recorder { OnFirstSteps = stop.Cancel };
        Assert.ThrowsAny<OperationCanceledException>(
            () => RecallExperiment.Run(Tiny with { Steps = 100_000, CurvePoints = 50_000 }, new Mqar(), observer: recorder, stop: stop.Token));
        Assert.Empty(recorder.Outcomes);
        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    [Fact]
    public void Settings_that_do_not_fit_are_refused_in_a_sentence()
    {
        void Refused(string problem, RecallSettings settings) => Assert.Contains(problem, Assert.Throws<DynConvException>(settings.Validate).Message, StringComparison.Ordinal);
        Refused("mqar has sequences of 1 to 16 pairs, and 17 are asked for", Tiny with { Tasks = [new Mqar()], Pairs = [2, 17] });
        Refused("A number of pairs is there twice", Tiny with { Pairs = [2, 2] });
        Refused("'dense' is no kind", Tiny with { Convolutions = ["dense"] });
        Refused("twice", Tiny with { Convolutions = ["none", "none"] });
        Refused("seeds is 0", Tiny with { Seeds = 0 });
        Refused("A learning rate is -1", Tiny with { LearningRates = [-1] });
        Refused("each need at least one", Tiny with { LearningRates = [] });
        Refused("3 heads do not divide 16 channels", Tiny with { Model = Tiny.Model with { Heads = 3 } });
        Refused("Head size 5", Tiny with { Model = Tiny.Model with { HeadSize = 5 } });
        Assert.Same(Tiny, Tiny.Validate());
    }

    private static string Figures(RecallResult result) => string.Join('\n', result.Runs.Concat(result.Sweep).Select(outcome =>
        $"{outcome.Run.Conv} {outcome.Run.Seed} {outcome.Run.LearningRate} {outcome.Validation:r} {string.Join(' ', outcome.Accuracy)} {string.Join(' ', outcome.Curve.Select(point => $"{point.Loss:r}"))}"));

    private sealed class Recorder : IRecallObserver
    {
        private int _steps;

        public (string Name, int Runs) Task { get; private set; }

        public int Steps => _steps;

        public ConcurrentBag<RecallOutcome> Outcomes { get; } = [];

        public Action? OnFirstSteps { get; init; }

        public void OnTask(IRecallTask task, int runs) => Task = (task.Name, runs);

        public void OnSteps(RecallRun run, int step, double loss)
        {
            Interlocked.Increment(ref _steps);
            OnFirstSteps?.Invoke();
        }

        public void OnRun(RecallOutcome outcome) => Outcomes.Add(outcome);
    }
}
