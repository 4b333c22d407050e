using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Optimizers;
using DynConv.Training.Data;
using DynConv.Training.Evaluation;
using DynConv.Training.Optimization;
using DynConv.Training.Runs;
using DynConv.Training.Tests.Data;

namespace DynConv.Training.Tests.Runs;

/// <summary>Runs in which documents do not see one another.</summary>
public sealed class PackedTrainingTests : IDisposable
{
    private const int EndOfText = 256;
    private const int Ignored = EvaluationWindows.IgnoredTarget;

    private readonly TinyRun _run = new();

    public PackedTrainingTests()
    {
        string text = _run["documents.jsonl"];
        File.WriteAllLines(text, Documents());
        _run.Configuration = _run.Configuration with { Data = [text], Pack = true };
    }

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData("none", "qkv")]
    [InlineData("static", "all")]
    [InlineData("headwise", "all")]
    [InlineData("lowrank", "all")]
    public void A_step_is_that_of_the_documents_apart(string conv, string placement)
    {
        TrainingConfiguration configuration = Plain(_run.Configuration with { Conv = conv, Placement = placement, HeadSize = 4, Batch = 3, Accumulate = 2 });
        using TokenDataset data = Open();
        var sampler = new BatchSampler(data, 16, configuration.Seed);
        using var packed = new LanguageModel(configuration.ModelConfiguration(257), seed: 5);
        using Optimizer packedOptimizer = OptimizerKinds.Create(packed, configuration);
        using var loop = new TrainingLoop(configuration, packed, packedOptimizer, sampler);
        TrainingStep step = loop.Step();

        using var apart = new LanguageModel(configuration.ModelConfiguration(257), seed: 5);
        using Optimizer optimizer = OptimizerKinds.Create(apart, configuration);
        double loss = AccumulateApart(apart, sampler, samples: 6);
        double norm = optimizer.GradientNorm();
        optimizer.Step(step.LearningRate, norm);

        Assert.Equal(loss, step.Loss, 1e-5);
        Assert.Equal(norm, step.GradientNorm, 1e-5 * norm);
        AssertSameWeights(apart, packed);
    }

    [Fact]
    public void Documents_that_see_one_another_make_another_step()
    {
        using TokenDataset data = Open();
        double[] norms = [.. new[] { true, false }.Select(pack =>
        {
            TrainingConfiguration configuration = Plain(_run.Configuration with { Pack = pack });
            using var model = new LanguageModel(configuration.ModelConfiguration(257), seed: 5);
            using Optimizer optimizer = OptimizerKinds.Create(model, configuration);
            using var loop = new TrainingLoop(configuration, model, optimizer, new BatchSampler(data, 16, configuration.Seed));
            TrainingStep step = loop.Step();
            return step.GradientNorm;
        })];
        Assert.True(Math.Abs(norms[0] - norms[1]) > 1e-3 * norms[0]);
    }

    [Fact]
    public void Many_small_micro_batches_train_as_one_large_one()
    {
        _run.Configuration = _run.Configuration with { LearningRate = 1e-3, Warmup = 0.5, Epsilon = 1e-4 };
        foreach ((int batch, int accumulate) in new[] { (4, 1), (2, 2), (1, 4) })
        {
            _run.Configuration = _run.Configuration with { Batch = batch, Accumulate = accumulate };
            _run.Start($"{batch}x{accumulate}");
        }

        foreach (string name in new[] { "2x2", "1x4" })
        {
            Assert.All(_run.Losses("4x1").Zip(_run.Losses(name)), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void A_run_that_was_stopped_ends_as_one_that_was_not(long stop)
    {
        _run.Configuration = _run.Configuration with { Accumulate = 3, Batch = 2 };
        _run.Start("whole");
        Assert.True(_run.Start(recorder: new Recorder { StopAfter = stop }).Interrupted);

        var recorder = new Recorder();
        _run.Resume(recorder: recorder);

        Assert.True(recorder.Begun!.Configuration.Pack);
        Assert.Equal(_run.Metrics("whole"), _run.Metrics());
        Assert.Equal(_run.Bytes("whole", "model.safetensors"), _run.Bytes("run", "model.safetensors"));
    }

    [Fact]
    public void The_model_of_a_run_evaluates_as_the_run_said()
    {
        string valid = _run["valid.jsonl"];
        File.WriteAllLines(valid, Documents().Skip(40).Take(60));
        _run.Configuration = _run.Configuration with { Valid = [valid] };
        var recorder = new Recorder();
        TrainingResult result = _run.Start(recorder: recorder);

        using LanguageModel model = ModelFolder.Load(_run["run"]);
        ITokenizer tokenizer = TokenizerLoader.Load(_run["run"]);
        EvaluationResult again = Evaluator.EvaluateText(model, tokenizer, [valid], pack: true);
        EvaluationResult unpacked = Evaluator.EvaluateText(model, tokenizer, [valid]);

        Assert.Equal(result.Validation, again);
        Assert.True(again.Tokens < unpacked.Tokens && again.Bytes < unpacked.Bytes);
        Assert.NotEqual(unpacked.Loss, again.Loss);
        Assert.Equal(10 * 4 * 16, recorder.Steps[^1].Tokens);
    }

    [Fact]
    public void The_loss_of_packed_windows_is_the_mean_over_their_documents_apart()
    {
        using TokenDataset data = Open();
        TrainingConfiguration configuration = Plain(_run.Configuration with { Placement = "all" });
        using var model = new LanguageModel(configuration.ModelConfiguration(257), seed: 5);
        var windows = new EvaluationWindows(data, 16);
        double sum = 0;
        long counted = 0;
        for (long window = 0; window < windows.Count; window++)
        {
            var ids = new int[16];
            var targets = new int[16];
            windows.Fill(window, ids, targets);
            foreach ((int[] document, int[] next) in Apart(ids, targets))
            {
                using var scope = new TensorScope();
                sum += model.TokenLosses(Row(document), Row(next)).ToArray<float>().Sum(loss => (double)loss);
                counted += next.Count(target => target != Ignored);
            }
        }

        EvaluationResult result = Evaluator.Evaluate(model, data, 16, batch: 3, pack: true);

        Assert.Equal(counted, result.Tokens);
        Assert.Equal(sum / counted, result.Loss, 1e-5);
    }

    [Fact]
    public void A_step_in_which_nothing_counts_changes_nothing()
    {
        File.WriteAllLines(_run["ends.jsonl"], Enumerable.Repeat("""{"text":"."}""", 100));
        using TokenDataset data = TokenCache.OpenOrEncode(
            _run["data"], TextSource.Find([_run["ends.jsonl"]]), new FakeTokenizer(silent: (byte)'.'));
        Assert.Equal(100, data.Tokens);
        TrainingConfiguration configuration = Plain(_run.Configuration with { Accumulate = 2 });
        using var model = new LanguageModel(configuration.ModelConfiguration(257), seed: 5);
        using var untouched = new LanguageModel(configuration.ModelConfiguration(257), seed: 5);
        using Optimizer optimizer = OptimizerKinds.Create(model, configuration);
        using var loop = new TrainingLoop(configuration, model, optimizer, new BatchSampler(data, 16, 0));

        TrainingStep step = loop.Step();

        Assert.Equal((0.0, 0.0), (step.Loss, step.GradientNorm));
        AssertSameWeights(untouched, model, 0);
        Assert.Equal(
            "There is nothing to measure once the text is packed: no document has text behind its first token. Give longer documents or leave packing out.",
            Assert.Throws<DynConvException>(() => Evaluator.Evaluate(model, data, 16, 2, pack: true)).Message);
    }

    [Fact]
    public void Validation_text_that_cannot_be_measured_is_refused_before_the_first_step()
    {
        File.WriteAllLines(_run["one.jsonl"], Enumerable.Repeat("""{"text":"a"}""", 100));
        _run.Configuration = _run.Configuration with { Pack = true, Valid = [_run["one.jsonl"]] };

        Assert.StartsWith("There is nothing to measure once the text is packed", _run.StartFailure(), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_run["run"]));
    }

    [Fact]
    public void A_micro_batch_in_which_nothing_counts_has_no_share_in_the_step()
    {
        // A window of one token has nothing to foretell where that is a document's last.
        File.WriteAllLines(_run["short.jsonl"], Enumerable.Range(0, 400).Select(i => $$"""{"text":"{{(char)('a' + (i * i % 7))}}{{(char)('a' + (i % 3))}}"}"""));
        _run.Configuration = _run.Configuration with { Data = [_run["short.jsonl"]], Context = 1, LearningRate = 1e-3, Warmup = 0.5, Epsilon = 1e-4 };
        _run.Start("whole");
        _run.Configuration = _run.Configuration with { Batch = 1, Accumulate = 4 };
        _run.Start("parts");

        Assert.Equal(10, _run.Losses("whole").Length);
        Assert.All(_run.Losses("whole").Zip(_run.Losses("parts")), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
    }

    /// <summary>Short documents with something to learn in them; every fifth is of one byte.</summary>
    private static IEnumerable<string> Documents()
    {
        string words = TinyRun.Words(6000).ReplaceLineEndings(" ");
        int start = 0;
        for (int i = 0; start < 5000; i++)
        {
            int length = i % 5 == 0 ? 1 : 3 + (i * 11 % 37);
            yield return $$"""{"text":"{{words.Substring(start, length)}}"}""";
            start += length;
        }
    }

    /// <summary>A large epsilon makes a first update of AdamW all but proportional to the gradient, so that equal weights mean equal gradients.</summary>
    private static TrainingConfiguration Plain(TrainingConfiguration configuration) =>
        (configuration with { LearningRate = 1, Warmup = 0, Epsilon = 1, WeightDecay = 0, ClipNorm = 0 }).Resolve();

    private TokenDataset Open() =>
        TokenCache.OpenOrEncode(_run["data"], TextSource.Find(_run.Configuration.Data), new ByteTokenizer());

    /// <summary>Adds the gradient of the mean over all targets, one document at a time.</summary>
    private static double AccumulateApart(LanguageModel model, BatchSampler sampler, int samples)
    {
        var documents = new List<(int[] Ids, int[] Targets)>();
        for (int sample = 0; sample < samples; sample++)
        {
            var ids = new int[sampler.Context];
            var targets = new int[sampler.Context];
            sampler.Fill(sample, ids, targets);
            documents.AddRange(Apart(ids, targets));
        }

        double all = documents.Sum(document => Counted(document.Targets));
        double loss = 0;
        foreach ((int[] ids, int[] targets) in documents)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            double share = Counted(targets) / all;
            Tensor mean = model.Loss(Row(ids), Row(targets));
            tape.Backward(mean, Tensor.From([(float)share], Shape.Create([])));
            loss += share * mean.Item();
        }

        return loss;

        static int Counted(int[] targets) => targets.Count(target => target != Ignored);
    }

    /// <summary>The documents' parts of a window; the end of a text has no target.</summary>
    private static IEnumerable<(int[] Ids, int[] Targets)> Apart(int[] ids, int[] targets)
    {
        int start = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            if (ids[i] == EndOfText || i == ids.Length - 1)
            {
                int[] next = targets[start..(i + 1)];
                next[^1] = ids[i] == EndOfText ? Ignored : next[^1];
                yield return (ids[start..(i + 1)], next);
                start = i + 1;
            }
        }
    }

    private static Tensor Row(int[] ids) => Tensor.From(ids, [1, ids.Length]);

    private static void AssertSameWeights(LanguageModel expected, LanguageModel actual, float tolerance = 1e-6f)
    {
        foreach ((KeyValuePair<string, DynConv.Modules.Parameter> wanted, KeyValuePair<string, DynConv.Modules.Parameter> got) in
            expected.NamedParameters().Zip(actual.NamedParameters()))
        {
            Assert.Equal(wanted.Key, got.Key);
            float largest = wanted.Value.Tensor.ToArray<float>().Zip(got.Value.Tensor.ToArray<float>(), (a, b) => Math.Abs(a - b)).Max();
            Assert.True(largest <= tolerance, $"{wanted.Key} differs by {largest}.");
        }
    }
}
