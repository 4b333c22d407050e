using DynConv.Models;
using DynConv.Modules;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

public sealed class InitialModelTests : IDisposable
{
    private readonly TinyRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData("none", "qkv")]
    [InlineData("static", "qkv")]
    [InlineData("headwise", "all")]
    [InlineData("lowrank", "qkv")]
    [InlineData("lowrank", "all")]
    public void With_new_convolutions_the_model_computes_what_it_did(string conv, string placement)
    {
        ModelConfiguration plain = TrainPlain();
        var convolution = ShortConvolutionKinds.ParseOrNone(conv) is { } kind
            ? new ShortConvolutionConfiguration { Kind = kind, Rank = 4, HeadSize = 8 }
            : null;
        using LanguageModel before = ModelFolder.Load(_run["plain"]);
        using LanguageModel after = ModelFolder.LoadInto(_run["plain"], plain.WithConvolutions(convolution, placement), seed: 3);
        using var scope = new TensorScope();
        using IDisposable pause = Tape.Pause();
        Tensor ids = Tensor.From(Enumerable.Range(0, 32).Select(i => (i * 37) % 257).ToArray(), [2, 16]);

        float[] expected = before.Forward(ids).ToArray<float>();
        float[] actual = after.Forward(ids).ToArray<float>();

        // Filters of zeros add zeros, without rounding. But generators are rows of the same matrix product, and a product of
        // another shape may sum in another order.
        double tolerance = conv is "headwise" or "lowrank" ? 1e-6 : 0;
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, tolerance));
    }

    [Theory]
    [InlineData("static")]
    [InlineData("headwise")]
    [InlineData("lowrank")]
    public void Training_begins_with_the_loss_of_the_model_as_it_was_and_the_convolutions_learn(string conv)
    {
        TrainPlain();
        TrainingConfiguration configuration = Continued();
        _run.Configuration = configuration;
        var plain = new Recorder();
        _run.Start("goes-on", plain);
        _run.Configuration = configuration with { Conv = conv, Placement = "all", HeadSize = 8 };
        var convolved = new Recorder();
        _run.Start("convolved", convolved);

        Assert.Equal(plain.Steps[0].Loss, convolved.Steps[0].Loss, 1e-6);
        Assert.NotEqual(plain.Steps[^1].Loss, convolved.Steps[^1].Loss);
        using LanguageModel model = ModelFolder.Load(_run["convolved"]);
        Assert.All(
            model.NamedParameters().Where(parameter => parameter.Key.Contains("_conv.", StringComparison.Ordinal)),
            parameter => Assert.Contains(parameter.Value.Tensor.ToArray<float>(), value => value != 0));
    }

    [Fact]
    public void A_convolution_without_residual_starts_as_the_identity_too()
    {
        var random = new RandomSource(1);
        using var convolution = new LowRankShortConvolution(channels: 5, inputs: 3, width: 4, rank: 2, random, residual: false);
        convolution.SetIdentity(random);
        using var scope = new TensorScope();
        Tensor x = random.Normal([2, 7, 5], 1);

        Assert.Equal(x.ToArray<float>(), convolution.Forward(x, random.Normal([2, 7, 3], 1)).ToArray<float>());
    }

    [Fact]
    public void A_model_with_convolutions_goes_on_with_them()
    {
        TrainingResult first = _run.Start("first");
        _run.Configuration = Continued("first") with { Steps = 1, LearningRate = 0 };
        var recorder = new Recorder();
        TrainingResult result = _run.Start("second", recorder);

        Assert.Equal(first.Validation!.Loss, result.Validation!.Loss);
        Assert.Equal(ConfigurationFile.Read(Path.Combine(_run["first"], "config.json")), recorder.Begun!.Model);
        Assert.Equal(_run.Bytes("first", "model.safetensors"), _run.Bytes("second", "model.safetensors"));
    }

    [Fact]
    public void A_run_from_a_model_resumes_to_the_same_bits_without_that_model()
    {
        TrainPlain();
        _run.Configuration = Continued() with { Conv = "lowrank" };
        _run.Start("whole");
        _run.Start("stopped", new Recorder { StopAfter = 5 });

        Directory.Move(_run["plain"], _run["moved"]);
        _run.Resume("stopped");

        _run.AssertSameOutcome("whole", "stopped");
    }

    [Fact]
    public void Settings_that_contradict_the_model_are_refused()
    {
        TrainPlain();
        _run.Start("convolved");
        TrainingConfiguration configuration = Continued();

        AssertRefused(configuration with { Preset = "micro" }, "preset is given together with init");
        AssertRefused(configuration with { Model = new ModelOverrides { Layers = 3 } }, "model is given together with init");
        AssertRefused(configuration with { QkNorm = true }, "qk_norm is given together with init");
        AssertRefused(configuration with { Context = 17 }, "A context of 17 is longer than the 16 tokens");
        AssertRefused(configuration with { Init = _run["nowhere"] }, "There is no model folder");
        AssertRefused(Continued("convolved") with { Conv = "lowrank" }, "conv is 'lowrank', and the model of");
        AssertRefused(Continued("convolved") with { Conv = "none" }, "conv is 'none', and the model of");
    }

    private void AssertRefused(TrainingConfiguration configuration, string message)
    {
        _run.Configuration = configuration;
        Assert.StartsWith(message, _run.StartFailure("refused"), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_run["refused"]));
    }

    private ModelConfiguration TrainPlain()
    {
        TrainingConfiguration configured = _run.Configuration;
        _run.Configuration = configured with { Conv = "none" };
        _run.Start("plain");
        _run.Configuration = configured;
        return ConfigurationFile.Read(Path.Combine(_run["plain"], "config.json"));
    }

    private TrainingConfiguration Continued(string from = "plain") =>
        _run.Configuration with { Init = _run[from], Model = new ModelOverrides() };
}
