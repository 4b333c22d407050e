using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Ops;
using DynConv.Tests;

namespace DynConv.Models.Tests;

[Trait("Uses", "OpenBLAS")]
[Trait("Uses", "compiler")]
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
        foreach (string variant in TinyModels.Variants.Except(["mixed", .. TinyModels.Recurrences]))
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
                    Assert.Matches(@"_conv\.generator\.weight$|_proj\.bias$", weight.Key);
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
        ModelConfiguration shape = TinyModels.Transformer(hidden: 64, intermediate: 96, layers: 8);
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
    public void A_token_after_a_state_trains_what_it_passes_through()
    {
        using var scope = new TensorScope();
        using LanguageModel model = TinyModels.Random("static all");
        using ModelState state = model.CreateState(1, 8);
        model.Forward(TinyModels.Ids(1, 2, 3), state);
        using var tape = new Tape();
        Tensor logits = model.Forward(TinyModels.Ids(4), state);
        tape.Backward(logits, logits.Detach());
        Assert.All(
            model.NamedParameters().Where(named => named.Key.Contains("up_", StringComparison.Ordinal) || named.Key.Contains("q_", StringComparison.Ordinal)),
            named => Assert.NotNull(named.Value.Gradient));
        foreach ((_, Parameter parameter) in model.NamedParameters())
        {
            parameter.Tensor.ClearGradient();
        }
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

    [Fact]
    public void A_state_takes_its_own_sequences_and_no_packed_ones()
    {
        using var scope = new TensorScope();
        using LanguageModel model = TinyModels.Random("static qkv");
        using ModelState state = model.CreateState(2, 8);
        using var packed = new PackedSequences([0, 3]);

        Assert.Equal(
            "The state is of 2 sequences, and tokens of 1 came.",
            Assert.Throws<DynConvException>(() => model.Forward(TinyModels.Ids(1, 2, 3), state)).Message);
        Assert.Equal(
            "Packed sequences start and end in one call; they have no state.",
            Assert.Throws<DynConvException>(() => model.Forward(TinyModels.Ids(1, 2, 3), state, packed: packed)).Message);
        Assert.Equal(
            "language_model: packed sequences of 3 tokens need ids of shape [1, 3], not [1, 4].",
            Assert.Throws<TensorException>(() => model.Forward(TinyModels.Ids(1, 2, 3, 4), packed: packed)).Message);
    }

    public static TheoryData<string, string> PackedCases => new(
        from variant in TinyModels.Variants
        from device in (string[])["cpu", "cuda"]
        select (variant, device));

    [Theory]
    [MemberData(nameof(PackedCases))]
    public void Packed_documents_give_the_loss_and_the_gradients_of_the_documents_apart(string variant, string device)
    {
        Device place = device == "cuda" ? Card.OrSkip() : Device.Cpu;
        long before = place.Memory.LiveBuffers;
        using (LanguageModel model = TinyModels.Randomize(new LanguageModel(TinyModels.Shape(variant), 3, place), 3))
        {
            int[] ids = [.. Enumerable.Range(0, 26).Select(i => ((i * 11) + 3) % 29)];
            int[] targets = [.. Enumerable.Range(0, 26).Select(i => i % 7 == 6 ? -100 : ((i * 5) + 1) % 29)];
            long[] bounds = [0, 1, 9, 9, 25, 26];

            Dictionary<string, float[]> together = Run(model, tape =>
            {
                using var packed = new PackedSequences(bounds);
                Tensor loss = model.Loss(Row(ids), Row(targets), packed);
                tape.Backward(loss);
                return loss.Item();
            });
            Dictionary<string, float[]> apart = Run(model, tape => bounds.Zip(bounds[1..])
                .Where(pair => pair.Second > pair.First)
                .Sum(pair =>
                {
                    Range document = (int)pair.First..(int)pair.Second;
                    float share = targets[document].Count(id => id >= 0) / (float)targets.Count(id => id >= 0);
                    Tensor loss = model.Loss(Row(ids[document]), Row(targets[document]));
                    tape.Backward(loss, Tensor.From([share], Shape.Create([]), place));
                    return share * loss.Item();
                }));

            Assert.Equal(apart.Keys, together.Keys);
            Assert.All(apart, pair =>
            {
                // Sums over tokens take another order, no more.
                float largest = pair.Value.Max(Math.Abs);
                Assert.All(pair.Value.Zip(together[pair.Key]), both => Assert.Equal(both.First, both.Second, (3e-6f * largest) + 1e-7f));
            });
        }

        Assert.Equal(before, place.Memory.LiveBuffers);

        Tensor Row(int[] values) => Tensor.From(values, [1, values.Length], place);
    }

    [Theory]
    [InlineData("cpu", DType.Float32)]
    [InlineData("cuda", DType.BFloat16)]
    public void Layers_that_are_computed_again_have_the_same_gradients_and_keep_nothing(string device, DType dtype)
    {
        Device place = device == "cuda" ? Card.OrSkip() : Device.Cpu;
        ModelConfiguration shape = TinyModels.Shape("lowrank all");
        shape = shape with { MaxPositions = 48, Layers = [.. shape.Layers, .. shape.Layers, shape.Layers[0] with { Channel = new Balancing() }] };
        using LanguageModel model = TinyModels.Randomize(new LanguageModel(shape, 3, place, dtype), 3);
        using Tensor ids = Tensor.From(Enumerable.Range(0, 48).Select(i => ((i * 11) + 3) % 29).ToArray(), [1, 48], place);
        using var bounds = new PackedSequences([0, 9, 48]);
        foreach (PackedSequences? packed in new[] { null, bounds })
        {
            (Dictionary<string, float[]> kept, long most) = Measure(packed);
            model.RecomputesLayers = true;
            (Dictionary<string, float[]> computed, long least) = Measure(packed);
            model.RecomputesLayers = false;

            Assert.Equal(kept, computed);
            Assert.True(least < 0.7 * most, $"{least:N0} bytes in place of {most:N0}");
        }

        (Dictionary<string, float[]>, long) Measure(PackedSequences? packed)
        {
            long before = place.Memory.LiveBytes;
            long most = 0;
            Dictionary<string, float[]> found = Run(model, tape =>
            {
                Tensor loss = model.Loss(ids, ids, packed);
                most = place.Memory.LiveBytes - before;
                tape.Backward(loss);
                return loss.Item();
            });
            return (found, most);
        }
    }

    private static Dictionary<string, float[]> Run(LanguageModel model, Func<Tape, double> computeLoss)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var found = new Dictionary<string, float[]> { ["loss"] = [(float)computeLoss(tape)] };
        foreach ((string name, Parameter parameter) in model.NamedParameters())
        {
            found[name] = parameter.Gradient?.ToArray<float>() ?? new float[parameter.Shape.Count];
            parameter.Tensor.ClearGradient();
        }

        return found;
    }

    [Fact]
    public void What_a_mixer_adds_to_the_loss_is_minimised_and_asked_for_in_training_alone()
    {
        var balancing = new Balancing();
        ModelConfiguration shape = TinyModels.Plain with
        {
            Layers = [.. TinyModels.Plain.Layers.Select(layer => layer with { Channel = balancing })],
        };
        using var model = new LanguageModel(shape, 2);
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor ids = TinyModels.Ids(1, 2, 3);

        float plain = model.TokenLosses(ids, ids).ToArray<float>().Average();
        (Tensor loss, Tensor crossEntropy) = model.LossParts(ids, ids);
        tape.Backward(loss);

        // Two layers, each 0.25 times its one number, which starts as 2.
        Assert.Equal(plain, crossEntropy.Item(), 1e-5f);
        Assert.Equal(plain + 1f, loss.Item(), 1e-5f);
        Assert.Equal([0.25f], model.NamedParameters().Single(p => p.Key == "model.layers.1.balance.weight").Value.Gradient!.ToArray<float>());
    }

    [Fact]
    public void A_model_or_a_state_that_cannot_be_finished_leaves_nothing_behind()
    {
        long before = Device.Cpu.Memory.LiveBuffers;
        LayerConfiguration[] layers = [.. TinyModels.Shape("lowrank all").Layers, new(TinyModels.Plain.Layers[0].Sequence, new Balancing { Fails = true })];
        ModelConfiguration failing = TinyModels.Plain with { Layers = layers };
        ModelConfiguration withoutState = TinyModels.Plain with { Layers = [.. layers[..^1], layers[^1] with { Channel = new Balancing() }] };

        Assert.Throws<InvalidOperationException>(() => new LanguageModel(failing));
        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
        using (var model = new LanguageModel(withoutState))
        {
            long held = Device.Cpu.Memory.LiveBuffers;
            Assert.Throws<NotSupportedException>(() => model.CreateState(2, 8));
            Assert.Equal(held, Device.Cpu.Memory.LiveBuffers);
        }

        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    [Fact]
    public void A_state_that_a_failed_call_left_midway_is_not_used_again()
    {
        using var scope = new TensorScope();
        using LanguageModel model = TinyModels.Random("lowrank qkv");
        using ModelState state = model.CreateState(1, 8);
        model.Forward(TinyModels.Ids(1, 2), state);

        // An id that is not in the vocabulary.
        Assert.Throws<TensorException>(() => model.Forward(TinyModels.Ids(1, 99), state));
        Assert.Contains("failed before its end", Assert.Throws<DynConvException>(() => model.Forward(TinyModels.Ids(1), state)).Message, StringComparison.Ordinal);
        Assert.Equal([2], state.Lengths);
    }

    /// <summary>A channel mixer that lets nothing through and adds a number to the loss.</summary>
    private sealed record Balancing : MixerConfiguration
    {
        public bool Fails { get; init; }

        public override string Type => "balancing";

        public override string ModuleName => "balance";

        public override IReadOnlyList<LinearLayer> LinearLayers(int hiddenSize) => [];

        public override Mixer Create(ParameterFactory factory, ModelConfiguration model) =>
            Fails ? throw new InvalidOperationException("This one cannot be made.") : new Module(factory);

        public override IEnumerable<PartCount> CountParts(int hiddenSize, int context) => [new PartCount("balance", 1, 0)];

        public override void Validate(int hiddenSize)
        {
        }

        public override void Write(System.Text.Json.Nodes.JsonObject section)
        {
        }

        private sealed class Module : Mixer
        {
            private readonly Parameter _weight;

            public Module(ParameterFactory factory) => _weight = Add("weight", factory.Constant(2, [1], ParameterKind.Norm));

            public override Tensor Forward(Tensor x, MixerContext context)
            {
                if (context.WantsLosses)
                {
                    using var scope = new TensorScope();
                    context.AddLoss(Elementwise.Scale(_weight.Tensor.Reshape([]), 0.25f));
                }

                return Tensor.Zeros(x.Shape, x.DType, x.Device);
            }

            public override IMixerState CreateState(long batch, long maxTokens) => throw new NotSupportedException("No test asks for it.");
        }
    }

    private static double Spread(float[] values) => Math.Sqrt(values.Average(value => (double)value * value));
}
