namespace DynConv.Models.Tests;

public sealed class LanguageModelTests
{
    [Fact]
    public void The_same_seed_gives_the_same_weights_and_another_seed_others()
    {
        using var first = new LanguageModel(TinyModels.Shape("lowrank all untied"), 4);
        using var second = new LanguageModel(TinyModels.Shape("lowrank all untied"), 4);
        using var other = new LanguageModel(TinyModels.Shape("lowrank all untied"), 5);

        Assert.Equal(TinyModels.Weights(first), TinyModels.Weights(second));
        foreach ((string name, float[] values) in TinyModels.Weights(other).Where(p => p.Value.Distinct().Count() > 1))
        {
            Assert.NotEqual(TinyModels.Weights(first)[name], values);
        }
    }

    [Fact]
    public void Layers_that_models_share_start_equal_whatever_else_they_have()
    {
        using var reference = new LanguageModel(TinyModels.Shape("lowrank all qknorm untied"), 4);
        Dictionary<string, float[]> wanted = TinyModels.Weights(reference);
        foreach (string variant in TinyModels.Variants)
        {
            using var model = new LanguageModel(TinyModels.Shape(variant), 4);
            Assert.All(TinyModels.Weights(model), weight =>
            {
                if (wanted.TryGetValue(weight.Key, out float[]? values))
                {
                    Assert.Equal(values, weight.Value);
                }
                else
                {
                    Assert.EndsWith("_conv.generator.weight", weight.Key);
                }
            });
        }
    }

    [Theory]
    [InlineData("headwise all")]
    [InlineData("lowrank all")]
    public void A_dynamic_convolution_starts_as_the_static_one(string variant)
    {
        using var scope = new TensorScope();
        using var dynamic = new LanguageModel(TinyModels.Shape(variant), 2);
        using var fixedFilters = new LanguageModel(TinyModels.Shape("static all"), 2);
        Tensor ids = TinyModels.Ids(1, 5, 9, 9, 28, 0);

        float[] wanted = fixedFilters.Forward(ids).ToArray<float>();
        float[] found = dynamic.Forward(ids).ToArray<float>();

        // Only the product with the weights, which has other rows beside, may round differently.
        Assert.All(wanted.Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-6f * wanted.Max(Math.Abs)));
    }

    [Fact]
    public void Weights_that_write_to_the_residual_stream_start_smaller_the_deeper_the_model()
    {
        ModelConfiguration shape = TinyModels.Plain with { HiddenSize = 64, IntermediateSize = 96, Layers = 8 };
        using var model = new LanguageModel(shape);
        Dictionary<string, float[]> weights = TinyModels.Weights(model);

        // 4096 to 6144 normal numbers know their spread within 2 of 100.
        Assert.InRange(Spread(weights["model.layers.3.mlp.up_proj.weight"]), 0.0194, 0.0206);
        Assert.InRange(Spread(weights["model.layers.3.mlp.down_proj.weight"]), 0.0194 / 4, 0.0206 / 4);
        Assert.Equal(1, weights["model.norm.weight"].Distinct().Single());
    }

    [Fact]
    public void The_last_scores_alone_are_those_of_all()
    {
        using var scope = new TensorScope();
        using LanguageModel model = TinyModels.Random("lowrank all");
        Tensor ids = Tensor.From(new[] { 1, 2, 3, 4, 5, 6 }, [2, 3]);

        float[] all = model.Forward(ids).ToArray<float>();
        Tensor last = model.Forward(ids, lastOnly: true);

        Assert.Equal([2, 1, 29], last.Shape.Dimensions.ToArray());
        float[] wanted = [.. all[(2 * 29)..(3 * 29)], .. all[(5 * 29)..]];
        Assert.All(wanted.Zip(last.ToArray<float>()), pair => Assert.Equal(pair.First, pair.Second, 1e-5f * wanted.Max(Math.Abs)));
    }

    [Fact]
    public void The_loss_is_the_mean_over_targets_that_count()
    {
        using var scope = new TensorScope();
        using LanguageModel model = TinyModels.Random("static qkv");
        Tensor ids = Tensor.From(new[] { 1, 2, 3, 4 }, [1, 4]);
        Tensor targets = Tensor.From(new[] { 2, -100, 4, 5 }, [1, 4]);

        float[] losses = model.TokenLosses(ids, targets).ToArray<float>();

        Assert.Equal(0, losses[1]);
        Assert.Equal(losses.Sum() / 3, model.Loss(ids, targets).Item(), 1e-5f);
    }

    [Fact]
    public void A_model_gives_all_its_memory_back()
    {
        long before = Device.Cpu.Memory.LiveBuffers;
        foreach (string variant in TinyModels.Variants)
        {
            using LanguageModel model = TinyModels.Random(variant);
            using var scope = new TensorScope();
            using var tape = new Tape();
            Tensor ids = TinyModels.Ids(1, 2, 3);
            tape.Backward(model.Loss(ids, ids));
            Assert.All(model.NamedParameters(), parameter => Assert.NotNull(parameter.Value.Gradient));
        }

        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    [Fact]
    public void A_sequence_longer_than_the_cache_is_refused()
    {
        using var scope = new TensorScope();
        using LanguageModel model = TinyModels.Random("none");
        using ModelState state = model.CreateState(1, 2);

        DynConvException failure = Assert.Throws<DynConvException>(() => model.Forward(TinyModels.Ids(1, 2, 3), state));
        Assert.Equal("The cache has room for 2 tokens; 0 are there and 3 came.", failure.Message);
    }

    private static double Spread(float[] values) => Math.Sqrt(values.Average(value => (double)value * value));
}
