using DynConv.Models;
using DynConv.Modules;
using DynConv.Ops;
using DynConv.Optimizers;
using DynConv.Training.Tests.Runs;

namespace DynConv.Training.Tests.Optimization;

public sealed class AdamWOptimizerTests
{
    private const double LearningRate = 0.1;

    private static readonly AdamWSettings Settings = new() { Epsilon = 1, WeightDecay = 0.5, ClipNorm = 0 };

    [Theory]
    [InlineData("headwise")]
    [InlineData("lowrank")]
    public void Matrices_decay_and_norms_and_convolutions_do_not(string conv)
    {
        using LanguageModel model = Model(conv);
        using var optimizer = new AdamWOptimizer(model, Settings);
        Dictionary<string, float[]> before = Weights(model);
        Backward(model, scale: 0);

        optimizer.Step(LearningRate, 0);

        string[] kept = [.. Weights(model).Where(weight => weight.Value.SequenceEqual(before[weight.Key])).Select(weight => weight.Key)];
        string[] generated = [.. kept.Where(name => before[name].All(value => value == 0))];
        Assert.All(kept, name => Assert.True(name.Contains("_conv.") || name.EndsWith("norm.weight")));
        Assert.Equal(before.Keys.Where(name => name.Contains("_conv.") || name.Contains("norm")), kept);
        Assert.NotEmpty(generated);
        Assert.All(before.Where(weight => !kept.Contains(weight.Key)), weight =>
            Assert.All(weight.Value.Zip(Weights(model)[weight.Key]), pair => Assert.Equal(pair.First * 0.95f, pair.Second, 1e-7f)));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1e9, 1)]
    [InlineData(0.01, 0.01)]
    public void A_first_step_goes_by_the_clipped_gradient(double limit, double norm)
    {
        using LanguageModel model = Model("lowrank");
        using var optimizer = new AdamWOptimizer(model, Settings with { ClipNorm = limit });
        Dictionary<string, float[]> before = Weights(model);
        Backward(model, scale: 1);
        Dictionary<string, float[]> gradients = model.NamedParameters().ToDictionary(p => p.Key, p => p.Value.Gradient!.ToArray<float>());
        double found = Math.Sqrt(gradients.Values.SelectMany(g => g).Sum(value => (double)value * value));
        Assert.Equal(found, optimizer.GradientNorm(), found * 1e-6);
        double scale = norm == 1 ? 1 : norm / found;

        optimizer.Step(LearningRate, optimizer.GradientNorm());

        foreach ((string name, Parameter parameter) in model.NamedParameters())
        {
            // Corrected for their start at zero, the moments of the first step are the gradient and its square.
            double decay = parameter.Kind is ParameterKind.Matrix or ParameterKind.Embedding ? 1 - (LearningRate * Settings.WeightDecay) : 1;
            double[] wanted = [.. before[name].Zip(gradients[name], (w, g) => (w * decay) - (LearningRate * scale * g / (Math.Abs(scale * g) + 1)))];
            Assert.All(wanted.Zip(parameter.Tensor.ToArray<float>()), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
            Assert.Null(parameter.Gradient);
        }
    }

    [Fact]
    public void Moments_that_were_saved_go_on_as_if_they_had_stayed()
    {
        using var run = new TinyRun();
        using LanguageModel model = Model("lowrank");
        using var optimizer = new AdamWOptimizer(model, Settings);
        Train(model, optimizer, 1, 3);
        optimizer.Save(run["moments.safetensors"]);
        model.Save(run["model.safetensors"]);
        Train(model, optimizer, 4, 6);

        using LanguageModel other = Model("lowrank");
        using var loaded = new AdamWOptimizer(other, Settings);
        using (var reader = new Serialization.CheckpointReader(run["model.safetensors"]))
        {
            ModelFolder.ReadWeights(reader, other, "weights");
        }

        loaded.Load(run["moments.safetensors"]);
        Train(other, loaded, 4, 6);

        Assert.Equal(Weights(model), Weights(other));
    }

    [Fact]
    public void Moments_of_another_model_are_refused()
    {
        using var run = new TinyRun();
        using LanguageModel model = Model("none");
        using var optimizer = new AdamWOptimizer(model, Settings);
        optimizer.Save(run["moments.safetensors"]);
        using LanguageModel other = Model("lowrank");
        using var loaded = new AdamWOptimizer(other, Settings);

        string message = Assert.Throws<DynConvException>(() => loaded.Load(run["moments.safetensors"])).Message;
        Assert.Contains("exp_avg.model.layers.0.self_attn.q_conv", message);
    }

    [Fact]
    public void Gradients_that_are_cleared_are_gone()
    {
        using LanguageModel model = Model("none");
        using var optimizer = new AdamWOptimizer(model, Settings);
        long before = Device.Cpu.Memory.LiveBuffers;
        Backward(model, scale: 1);
        Assert.True(Device.Cpu.Memory.LiveBuffers > before);

        optimizer.ClearGradients();

        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
        Assert.All(model.NamedParameters(), parameter => Assert.Null(parameter.Value.Gradient));
    }

    private static LanguageModel Model(string conv) => new(new TrainingConfiguration
    {
        Conv = conv,
        HeadSize = 2,
        Rank = 3,
        QkNorm = true,
        Model = new ModelOverrides { HiddenSize = 8, IntermediateSize = 12, Layers = 1, AttentionHeads = 2 },
    }.ModelConfiguration(13));

    private static void Train(LanguageModel model, AdamWOptimizer optimizer, long first, long last)
    {
        for (long step = first; step <= last; step++)
        {
            Backward(model, scale: step);
            optimizer.Step(LearningRate);
        }
    }

    private static void Backward(LanguageModel model, float scale)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor ids = Tensor.From(new[] { 1, 2, 3, 4, 5, 6 }, [2, 3]);
        tape.Backward(Elementwise.Scale(model.Loss(ids, ids), scale));
    }

    private static Dictionary<string, float[]> Weights(LanguageModel model) =>
        model.NamedParameters().ToDictionary(p => p.Key, p => p.Value.Tensor.ToArray<float>());
}
