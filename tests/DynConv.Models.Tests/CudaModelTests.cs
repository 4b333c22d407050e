using DynConv.Diagnostics;
using DynConv.Models.Conformance;
using DynConv.Models.Generation;
using DynConv.Models.Tests.Tokenizers;
using DynConv.Modules;
using DynConv.Tests;

namespace DynConv.Models.Tests;

[Trait("Uses", "compiler")]
public sealed class CudaModelTests
{
    private const double Float32Limit = 1e-4;
    private const double BFloat16Limit = 0.1;

    public static TheoryData<string> Variants => [.. TinyModels.Variants];

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_fresh_model_has_the_weights_of_the_CPUs_bit_for_bit(string variant)
    {
        Device card = Card.OrSkip();
        using var model = new LanguageModel(TinyModels.Shape(variant), 3, card, DType.BFloat16);
        using var reference = new LanguageModel(TinyModels.Shape(variant), 3);
        Assert.Equal(TinyModels.Weights(reference), TinyModels.Weights(model));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Loss_and_gradients_are_the_CPUs_but_for_rounding(string variant)
    {
        Device card = Card.OrSkip();
        using LanguageModel reference = TinyModels.Random(variant);
        Dictionary<string, float[]> wanted = LossAndGradients(reference);
        foreach ((DType dtype, double limit) in new[] { (DType.Float32, Float32Limit), (DType.BFloat16, BFloat16Limit) })
        {
            using LanguageModel model = TinyModels.Randomize(new LanguageModel(TinyModels.Shape(variant), 1, card, dtype), 1);
            Dictionary<string, float[]> found = LossAndGradients(model);
            Assert.Equal(wanted.Keys, found.Keys);
            Assert.All(wanted, pair => Assert.InRange(Error(found[pair.Key], pair.Value), 0, limit));
        }
    }

    [Fact]
    public void A_changed_weight_is_computed_with_at_once()
    {
        Device card = Card.OrSkip();
        using var model = new LanguageModel(TinyModels.Shape("lowrank all"), 1, card, DType.BFloat16);
        float[] before = Scores(model);
        TinyModels.Randomize(model, 2);
        Assert.NotEqual(before, Scores(model));
    }

    [Theory]
    [InlineData("lowrank all")]
    [InlineData("headwise all qknorm untied")]
    [InlineData("static all")]
    [InlineData("gdn lowrank qkv")]
    [InlineData("mamba2 headwise qkv variant")]
    [InlineData("hybrid")]
    public void A_prompt_in_parts_scores_as_a_whole_one(string variant)
    {
        using LanguageModel model = TinyModels.Randomize(new LanguageModel(TinyModels.Shape(variant), 1, Card.OrSkip()), 1);
        using var scope = new TensorScope();
        int[] tokens = [3, 1, 4, 1, 5, 9, 2];
        float[] whole = model.Forward(Ids(tokens), lastOnly: true).ToArray<float>();

        using ModelState state = model.CreateState(1, tokens.Length);
        model.Forward(Ids(tokens[..4]), state);
        model.Forward(Ids(tokens[4..6]), state);
        float[] last = model.Forward(Ids(tokens[6..]), state).ToArray<float>();

        Assert.InRange(Error(last, whole), 0, 1e-5);

        Tensor Ids(int[] ids) => Tensor.From(ids, [1, ids.Length], model.Device);
    }

    [Fact]
    public void Texts_go_on_as_on_the_CPU_and_nothing_is_compiled_while_they_do()
    {
        Device card = Card.OrSkip();
        using LanguageModel reference = TinyModels.Random("lowrank qkv");
        using LanguageModel model = TinyModels.Randomize(new LanguageModel(TinyModels.Shape("lowrank qkv"), 1, card), 1);
        TextGenerator.Prepare(model);

        int[] text = Continue(model);

        Assert.Equal(Continue(reference), text);
        Assert.Equal(0, TextGenerator.Prepare(model));

        static int[] Continue(LanguageModel model) =>
            [.. TextGenerator.Generate(model, [1, 2, 3], 20, new SamplingOptions { Temperature = 0 })];
    }

    [Fact]
    public void What_a_card_has_saved_the_CPU_loads_and_the_other_way_round()
    {
        Device card = Card.OrSkip();
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Randomize(new LanguageModel(TinyModels.Shape("headwise all"), 1, card, DType.BFloat16), 5);
        ModelFolder.Save(folder.File("a"), model);
        using LanguageModel onCpu = ModelFolder.Load(folder.File("a"));
        ModelFolder.Save(folder.File("b"), onCpu);
        using LanguageModel back = ModelFolder.Load(folder.File("b"), card, DType.BFloat16);

        Assert.Equal(TinyModels.Weights(model), TinyModels.Weights(onCpu));
        Assert.Equal(Scores(model), Scores(back));
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder.File("a"), "model.safetensors")), File.ReadAllBytes(Path.Combine(folder.File("b"), "model.safetensors")));
    }

    [Fact]
    public void A_disposed_model_leaves_no_memory_behind()
    {
        Device card = Card.OrSkip();
        long before = card.Memory.LiveBuffers;
        using (LanguageModel model = TinyModels.Randomize(new LanguageModel(TinyModels.Shape("lowrank all untied"), 1, card, DType.BFloat16), 1))
        {
            LossAndGradients(model);
            Scores(model);
        }

        Assert.Equal(before, card.Memory.LiveBuffers);
    }

    [Theory]
    [InlineData("ops")]
    [InlineData("models")]
    [InlineData("hf")]
    [InlineData("layers")]
    public void Conformance_vectors_pass(string folder)
    {
        Device card = Card.OrSkip();
        string path = Path.Combine(SharedData.RepositoryRoot(), "tests", "golden", folder);
        foreach (DType dtype in new[] { DType.Float32, DType.BFloat16 })
        {
            ConformanceResult[] results = [.. ConformanceRunner.Run([path], card, dtype)];
            Assert.All(results, result => Assert.True(result.Outcome != ConformanceOutcome.Failed, $"{dtype.Name()}: {result}"));
            Assert.All(
                results.Where(result => result.Outcome == ConformanceOutcome.Passed),
                result => Assert.Equal(dtype == DType.BFloat16, result.RoundingShift > 0));
        }
    }

    [Fact]
    public void The_CPU_refuses_bfloat16() => Assert.Contains(
        "bfloat16 needs a GPU",
        Assert.Throws<DynConvException>(() => new LanguageModel(TinyModels.Plain, dtype: DType.BFloat16)).Message);

    private static float[] Scores(LanguageModel model)
    {
        using var scope = new TensorScope();
        return model.Forward(Tensor.From(new[] { 3, 1, 4, 1, 5 }, [1, 5], model.Device)).To(DType.Float32).ToArray<float>();
    }

    private static Dictionary<string, float[]> LossAndGradients(LanguageModel model)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor ids = Tensor.From(new[] { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7 }, [2, 7], model.Device);
        Tensor targets = Tensor.From(new[] { 1, 4, 1, 5, 9, 2, 6, 3, 5, 8, 9, 7, 9, -100 }, [2, 7], model.Device);
        Tensor loss = model.Loss(ids, targets);
        tape.Backward(loss);
        var results = new Dictionary<string, float[]> { ["loss"] = loss.ToArray<float>() };
        foreach ((string name, Parameter parameter) in model.NamedParameters())
        {
            Assert.Equal(DType.Float32, parameter.Gradient!.DType);
            results[name] = parameter.Gradient.ToArray<float>();
        }

        foreach ((_, Parameter parameter) in model.NamedParameters())
        {
            parameter.Tensor.ClearGradient();
        }

        return results;
    }

    private static double Error(float[] found, float[] wanted) =>
        found.Zip(wanted, (a, b) => Math.Abs((double)a - b)).Max() / wanted.Max(Math.Abs);
}
