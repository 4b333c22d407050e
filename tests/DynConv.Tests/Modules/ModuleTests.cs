using DynConv.Modules;
using DynConv.Ops;
using DynConv.Tests.Serialization;

namespace DynConv.Tests.Modules;

public sealed class ModuleTests
{
    public static TheoryData<string> Devices => [.. TestDevices.Names.Where(name => name is "cpu" or "cuda" or "cuda bfloat16")];

    [Theory]
    [MemberData(nameof(Devices))]
    public void A_linear_layer_is_its_product_and_its_bias(string name)
    {
        using var scope = new TensorScope();
        (Device device, DType type) = (TestDevices.Get(name), TestDevices.TypeOf(name, isParameter: false));
        using var linear = new Linear(5, 3, new RandomSource(1), device: device);
        Tensor x = new RandomSource(2).Normal([2, 4, 5], 1, device).To(type);
        Tensor y = linear.Forward(x);
        (float[] w, float[] b, float[] values) = (linear.Weight.Tensor.ToArray<float>(), linear.Bias!.Tensor.ToArray<float>(), x.To(DType.Float32).ToArray<float>());
        double[] wanted = [.. Enumerable.Range(0, 8).SelectMany(row => Enumerable.Range(0, 3).Select(column =>
            b[column] + Enumerable.Range(0, 5).Sum(k => (double)values[(row * 5) + k] * w[(column * 5) + k])))];
        Close(wanted, y, type);
        Assert.Equal(type, y.DType);
        Assert.All(w.Concat(b), value => Assert.InRange(value, -1 / MathF.Sqrt(5), 1 / MathF.Sqrt(5)));
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void A_weight_that_has_changed_counts_at_once(string name)
    {
        using var scope = new TensorScope();
        (Device device, DType type) = (TestDevices.Get(name), TestDevices.TypeOf(name, isParameter: false));
        using var linear = new Linear(4, 4, new RandomSource(1), bias: false, device);
        Tensor x = Tensor.Ones([1, 4], type, device);
        linear.Forward(x);
        linear.Weight.Tensor.Fill(2);
        Assert.All(linear.Forward(x).To(DType.Float32).ToArray<float>(), value => Assert.Equal(8f, value));
    }

    [Fact]
    public void An_embedding_looks_up_and_scores()
    {
        using var scope = new TensorScope();
        using var embedding = new Embedding(7, 3, new RandomSource(1));
        Tensor rows = embedding.Forward(Tensor.From([6, 0], [1, 2]));
        Assert.Equal(embedding.Weight.Tensor[6].ToArray<float>(), rows[0, 0].ToArray<float>());
        Assert.Equal(MatMul.Linear(rows, embedding.Weight).ToArray<float>(), embedding.Scores(rows).ToArray<float>());
        Assert.Throws<TensorException>(() => embedding.Forward(Tensor.From([7], [1])));
    }

    [Fact]
    public void A_norm_starts_with_ones()
    {
        using var scope = new TensorScope();
        using var norm = new RmsNorm(4, epsilon: 0);
        Assert.Equal([0f, 2f, 0f, 0f], norm.Forward(Tensor.From([0f, 3f, 0f, 0f], [4])).ToArray<float>());
    }

    [Theory]
    [InlineData(null)]
    [InlineData(1)]
    public void Attention_token_by_token_is_the_whole_pass(int? keyValueHeads)
    {
        using var scope = new TensorScope();
        using CausalSelfAttention attention = Attention(keyValueHeads);
        Tensor x = new RandomSource(2).Normal([2, 6, 16], 1);
        Tensor whole = attention.Forward(x);
        using AttentionState state = attention.CreateState(batch: 2, maximumLength: 6);
        Tensor parts = Tensor.Concatenate(1, attention.Forward(x[.., ..3], state), attention.Forward(x[.., 3..4], state), attention.Forward(x[.., 4..], state));
        Close([.. whole.ToArray<float>().Select(value => (double)value)], parts, DType.Float32);
        Assert.Equal(6, state.Length);
        var error = Assert.Throws<TensorException>(() => attention.Forward(x[.., ..1], state));
        Assert.Equal("attention: the state is of 2 sequences with room for 6 tokens, 6 of them taken, and x is [2, 1, 16].", error.Message);
    }

    [Fact]
    public void Attention_sees_no_later_token()
    {
        using var scope = new TensorScope();
        using CausalSelfAttention attention = Attention();
        Tensor x = new RandomSource(2).Normal([1, 6, 16], 1);
        float[] before = attention.Forward(x)[.., ..4].ToArray<float>();
        x[.., 4..].Fill(3);
        Assert.Equal(before, attention.Forward(x)[.., ..4].ToArray<float>());
    }

    [Fact]
    public void Heads_that_do_not_fit_are_refused()
    {
        var random = new RandomSource(1);
        Assert.Throws<ArgumentException>("heads", () => new CausalSelfAttention(16, 3, random));
        Assert.Throws<ArgumentException>("keyValueHeads", () => new CausalSelfAttention(16, 4, random, keyValueHeads: 3));
        Assert.Throws<ArgumentOutOfRangeException>("inputs", () => new Linear(0, 3, random));
        Assert.Throws<ArgumentOutOfRangeException>("count", () => new Embedding(0, 3, random));
        Assert.Throws<ArgumentOutOfRangeException>("size", () => new RmsNorm(0));
    }

    [Fact]
    public void Every_parameter_learns()
    {
        using var scope = new TensorScope();
        using var model = new Model();
        foreach ((_, Parameter parameter) in model.NamedParameters().Where(named => named.Key.EndsWith("generator_out.weight", StringComparison.Ordinal)))
        {
            parameter.Tensor.Fill(0.1f);
        }

        using var tape = new Tape();
        tape.Backward(model.Loss());
        Assert.All(model.NamedParameters(), named => Assert.Contains(named.Value.Gradient!.ToArray<float>(), value => value != 0));
        Assert.Equal(model.NamedParameters().Sum(named => named.Value.Shape.Count), model.ParameterCount);
    }

    [Fact]
    public void What_was_saved_is_loaded()
    {
        using var folder = new TemporaryFolder();
        using var scope = new TensorScope();
        using var model = new Model();
        using var other = new Model(seed: 2);
        Assert.NotEqual(model.Loss().Item(), other.Loss().Item());
        model.Save(folder["model.safetensors"]);
        other.Load(folder["model.safetensors"]);
        Assert.Equal(model.Loss().Item(), other.Loss().Item());
    }

    [Fact]
    public void Weights_of_another_module_are_refused_and_change_nothing()
    {
        using var folder = new TemporaryFolder();
        string path = folder["model.safetensors"];
        using var scope = new TensorScope();
        using var linear = new Linear(4, 3, new RandomSource(1));
        using var narrow = new Linear(3, 3, new RandomSource(1));
        using var plain = new Linear(4, 3, new RandomSource(1), bias: false);
        using var norm = new RmsNorm(3);
        linear.Save(path);
        float[] before = narrow.Bias!.Tensor.ToArray<float>();
        Assert.Equal($"{path}: weight is [3, 4], and the module's is [3, 3].", Refused(narrow));
        Assert.Equal($"{path} is of another module: it has bias, which the module does not.", Refused(plain));
        Assert.Equal(before, narrow.Bias.Tensor.ToArray<float>());
        norm.Save(path);
        Assert.Equal($"{path} is of another module: it lacks bias.", Refused(linear));

        string Refused(Module module) => Assert.Throws<DynConvException>(() => module.Load(path)).Message;
    }

    private static CausalSelfAttention Attention(int? keyValueHeads = null) => new(
        16, 2, new RandomSource(1), keyValueHeads, maximumLength: 8,
        convolution: static (channels, inputs, random) => new LowRankShortConvolution(channels, inputs, width: 4, rank: 3, random));

    private static void Close(double[] wanted, Tensor got, DType type)
    {
        double limit = (type == DType.BFloat16 ? 2e-2 : 1e-5) * wanted.Max(Math.Abs);
        Assert.All(wanted.Zip(got.To(DType.Float32).ToArray<float>()), pair => Assert.InRange(pair.Second, pair.First - limit, pair.First + limit));
    }

    /// <summary>A small model of all kinds of modules.</summary>
    internal sealed class Model : Module
    {
        private readonly Embedding _embedding;
        private readonly CausalSelfAttention _attention;
        private readonly RmsNorm _norm;
        private readonly FeedForward _feedForward;
        private readonly Linear _output;

        public Model(ulong seed = 1)
        {
            var random = new RandomSource(seed);
            _embedding = Add("embedding", new Embedding(11, 16, random.Fork("embedding"), standardDeviation: 1));
            _attention = Add("attention", Attention());
            _norm = Add("norm", new RmsNorm(16));
            _feedForward = Add("feed_forward", new FeedForward(16, 24, random.Fork("feed_forward")));
            _output = Add("output", new Linear(16, 11, random.Fork("output"), kind: ParameterKind.Embedding));
        }

        public Tensor Loss()
        {
            using var scope = new TensorScope();
            Tensor ids = Tensor.From([1, 5, 2, 10, 0, 3, 3, 7], [2, 4]);
            Tensor x = _embedding.Forward(ids);
            x += _attention.Forward(x);
            x += _feedForward.Forward(_norm.Forward(x));
            return scope.Keep(CrossEntropy.Mean(_output.Forward(x).Reshape(8, 11), Tensor.From([5, 2, 10, 1, 3, 3, 7, 0], [8])));
        }
    }
}
