using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Tests.Modules;

public sealed class ShortConvolutionTests
{
    private const int Channels = 24;
    private const int Inputs = 10;
    private const int Width = 4;

    public static TheoryData<string> Kinds => ["static", "head-wise", "low-rank"];

    [Fact]
    public void Parameters_have_the_checkpoints_names_and_shapes()
    {
        using ShortConvolution constant = Make("static");
        using ShortConvolution headWise = Make("head-wise");
        using ShortConvolution lowRank = Make("low-rank");
        Assert.Equal(["static_weight [4, 24]"], Parameters(constant));
        Assert.Equal(["static_weight [4, 24]", "generator.weight [16, 10]"], Parameters(headWise));
        Assert.Equal(
            ["static_weight [4, 24]", "generator_in.weight [3, 10]", "generator_out.weight [3, 96]"], Parameters(lowRank));
        Assert.Equal([0, 16, 3], [constant.GeneratorSize, headWise.GeneratorSize, lowRank.GeneratorSize]);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_new_convolution_is_the_identity_plus_a_static_one(string kind)
    {
        using var scope = new TensorScope();
        using ShortConvolution convolution = Make(kind);
        Tensor x = new RandomSource(1).Normal([2, 7, Channels], 1);
        Tensor u = new RandomSource(2).Normal([2, 7, Inputs], 1);
        Tensor wanted = StaticConvolution.Apply(x, convolution.StaticWeight, new() { Residual = true });
        Assert.Equal(wanted.ToArray<float>(), convolution.Forward(x, u).ToArray<float>());

        float[] values = convolution.StaticWeight.Tensor.ToArray<float>();
        Assert.All(values, value => Assert.InRange(value, -0.5f, 0.5f));
        Assert.InRange(values.Max() - values.Min(), 0.8f, 1f);
    }

    [Fact]
    public void A_bias_and_an_activation_are_part_of_every_way_to_call_it()
    {
        using var scope = new TensorScope();
        using var convolution = new StaticShortConvolution(
            Channels, Width, new RandomSource(1), residual: false, bias: true, activation: ConvolutionActivation.Silu);
        Assert.Equal(["static_weight [4, 24]", "bias [24]"], Parameters(convolution));
        Assert.Equal(ParameterKind.Bias, convolution.Bias!.Kind);
        Tensor x = new RandomSource(2).Normal([2, 7, Channels], 1);
        Tensor wanted = Functions.Silu(Elementwise.Add(StaticConvolution.Apply(x, convolution.StaticWeight), convolution.Bias.Tensor));
        Close(wanted, convolution.Forward(x));
        Tensor state = Tensor.Zeros([2, Width - 1, Channels]);
        for (int t = 0; t < 7; t++)
        {
            Close(wanted[.., t], convolution.Step(x[.., t], null, state));
        }

        convolution.SetIdentity(new RandomSource(3));
        Close(Functions.Silu(x), convolution.Forward(x));
    }

    [Fact]
    public void The_low_rank_generator_starts_like_a_linear_layer()
    {
        using var convolution = new LowRankShortConvolution(Channels, 400, Width, 16, new RandomSource(1));
        double variance = convolution.Generator.Tensor.ToArray<float>().Average(value => (double)value * value);

        // 6,400 draws: the standard deviation is known to 1 %.
        Assert.InRange(Math.Sqrt(variance), 0.019, 0.021);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Features_from_elsewhere_give_what_the_own_generator_gives(string kind)
    {
        using var scope = new TensorScope();
        using ShortConvolution convolution = MakeRandom(kind);
        Tensor x = new RandomSource(1).Normal([2, 7, Channels], 1);
        Tensor u = new RandomSource(2).Normal([2, 7, Inputs], 1);
        Tensor? features = convolution.Generator is { } generator ? MatMul.Linear(u, generator) : null;
        (Tensor y, Tensor state) = convolution.ApplyWithState(x, features);
        Assert.Equal(convolution.Forward(x, u).ToArray<float>(), y.ToArray<float>());
        Assert.Equal(x.Slice(1, 4, 3).ToArray<float>(), state.ToArray<float>());
        Assert.NotEqual(
            StaticConvolution.Apply(x, convolution.StaticWeight, new() { Residual = true }).ToArray<float>().SequenceEqual(y.ToArray<float>()),
            kind != "static");
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Steps_equal_the_full_pass(string kind)
    {
        using var scope = new TensorScope();
        using ShortConvolution convolution = MakeRandom(kind);
        Tensor x = new RandomSource(1).Normal([2, 7, Channels], 1);
        Tensor u = new RandomSource(3).Normal([2, 7, Inputs], 1);
        (Tensor whole, Tensor final) = convolution.ForwardWithState(x, u);
        Tensor state = Tensor.Zeros([2, Width - 1, Channels]);
        for (int t = 0; t < 7; t++)
        {
            Tensor y = convolution.Step(x[.., t], u[.., t], state);
            Close(whole[.., t], y);
        }

        Assert.Equal(final.ToArray<float>(), state.ToArray<float>());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_is_given_to_the_next_part_continues_a_sequence(string kind)
    {
        using var scope = new TensorScope();
        using ShortConvolution convolution = MakeRandom(kind);
        Tensor x = new RandomSource(1).Normal([2, 7, Channels], 1);
        Tensor u = new RandomSource(3).Normal([2, 7, Inputs], 1);
        (Tensor first, Tensor state) = convolution.ForwardWithState(x[.., ..3], u[.., ..3]);
        (Tensor second, _) = convolution.ForwardWithState(x[.., 3..], u[.., 3..], new() { InitialState = state });
        Close(convolution.Forward(x, u), Tensor.Concatenate(1, first, second));
    }

    [Fact]
    public void Without_another_input_the_filters_are_made_from_x()
    {
        using var scope = new TensorScope();
        using var convolution = new HeadWiseShortConvolution(Channels, Channels, Width, 6, new RandomSource(9));
        convolution.Generator.Tensor.CopyFrom(new RandomSource(5).Normal(convolution.Generator.Shape, 1));
        Tensor x = new RandomSource(1).Normal([2, 7, Channels], 1);
        Assert.Equal(convolution.Forward(x, x).ToArray<float>(), convolution.Forward(x).ToArray<float>());
    }

    [Fact]
    public void An_error_names_what_the_caller_passed()
    {
        using var scope = new TensorScope();
        using ShortConvolution convolution = Make("low-rank");
        Tensor x = Tensor.Zeros([2, 7, Channels]);
        Tensor state = Tensor.Zeros([2, Width - 1, Channels]);
        Assert.Equal(
            "short_convolution: generatorInput has to be [2, 7, 10], and is [2, 7, 11].",
            Assert.Throws<TensorException>(() => convolution.Forward(x, Tensor.Zeros([2, 7, 11]))).Message);
        Assert.Equal(
            "short_convolution: generatorInput has to be [2, 7, 10], and is [2, 8, 10].",
            Assert.Throws<TensorException>(() => convolution.ForwardWithState(x, Tensor.Zeros([2, 8, 10]))).Message);
        Assert.Equal(
            "short_convolution: generatorInput has to be [2, 10], and is [2, 1, 10].",
            Assert.Throws<TensorException>(() => convolution.Step(x[.., 0], Tensor.Zeros([2, 1, 10]), state)).Message);
        Assert.Equal(
            "short_convolution: the filters are made from 10 channels, and x, which is taken where no generatorInput is given, is [2, 7, 24].",
            Assert.Throws<TensorException>(() => convolution.Forward(x)).Message);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_parameter_gets_a_gradient_and_nothing_is_left_alive(string kind)
    {
        long before = Device.Cpu.Memory.LiveBuffers;
        using (var scope = new TensorScope())
        using (ShortConvolution convolution = MakeRandom(kind))
        using (var tape = new Tape())
        {
            Tensor y = convolution.Forward(new RandomSource(1).Normal([2, 7, Channels], 1), new RandomSource(2).Normal([2, 7, Inputs], 1));
            tape.Backward(y, y.Detach());
            Assert.All(convolution.NamedParameters(), named =>
            {
                Assert.Equal(ParameterKind.Convolution, named.Value.Kind);
                Assert.DoesNotContain(0f, named.Value.Gradient!.ToArray<float>());
            });
        }

        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    [Fact]
    public void A_generator_can_be_a_slice_of_a_wider_weight()
    {
        using var scope = new TensorScope();
        Tensor fused = TensorScope.Release(new RandomSource(1).Normal([20, Inputs], 1).RequireGradient());
        var slice = new Parameter(fused.Slice(0, 16, 3), ParameterKind.Convolution);
        using (var convolution = new LowRankShortConvolution(Channels, Inputs, Width, 3, new RandomSource(2), generatorIn: slice))
        {
            Assert.Same(slice, convolution.Generator);
        }

        fused.Dispose();
        var error = Assert.Throws<ArgumentException>(() => new LowRankShortConvolution(
            Channels, Inputs, Width, 3, new RandomSource(2), generatorIn: new Parameter(Tensor.Zeros([4, Inputs]), ParameterKind.Convolution)));
        Assert.Equal("The generator has to be [3, 10], and the given one is [4, 10]. (Parameter 'generator')", error.Message);
    }

    [Fact]
    public void Sizes_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        var random = new RandomSource(1);
        Assert.Throws<ArgumentOutOfRangeException>("width", () => new StaticShortConvolution(8, 17, random));
        Assert.Throws<ArgumentOutOfRangeException>("channels", () => new StaticShortConvolution(0, 4, random));
        Assert.Throws<ArgumentException>("headSize", () => new HeadWiseShortConvolution(8, 8, 4, 3, random));
        Assert.Throws<ArgumentOutOfRangeException>("rank", () => new LowRankShortConvolution(8, 8, 4, 0, random));
        using ShortConvolution convolution = Make("low-rank");
        Assert.Equal(
            "short_convolution: the filters are made from 3 features a token, and 4 are given.",
            Assert.Throws<TensorException>(() => convolution.Apply(Tensor.Zeros([1, 2, Channels]), Tensor.Zeros([1, 2, 4]))).Message);
    }

    private static string[] Parameters(ShortConvolution convolution) =>
        [.. convolution.NamedParameters().Select(named => $"{named.Key} {named.Value.Shape}")];

    private static ShortConvolution Make(string kind) => kind switch
    {
        "static" => new StaticShortConvolution(Channels, Width, new RandomSource(9)),
        "head-wise" => new HeadWiseShortConvolution(Channels, Inputs, Width, 6, new RandomSource(9)),
        _ => new LowRankShortConvolution(Channels, Inputs, Width, 3, new RandomSource(9)),
    };

    private static ShortConvolution MakeRandom(string kind)
    {
        using var scope = new TensorScope();
        ShortConvolution convolution = Make(kind);
        foreach ((string name, Parameter parameter) in convolution.NamedParameters())
        {
            parameter.Tensor.CopyFrom<float>(new RandomSource(4).Fork(name).Normal(parameter.Shape, 1).ToArray<float>());
        }

        return convolution;
    }

    // A product of one row is not that of many, bit for bit.
    private static void Close(Tensor wanted, Tensor got) =>
        Assert.All(wanted.ToArray<float>().Zip(got.ToArray<float>()), pair => Assert.InRange(pair.Second, pair.First - 1e-4f, pair.First + 1e-4f));
}
