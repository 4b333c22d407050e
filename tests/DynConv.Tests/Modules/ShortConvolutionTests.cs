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
        Tensor? features = convolution.GeneratorSize == 0 ? null : new RandomSource(3).Normal([2, 7, convolution.GeneratorSize], 1);
        Tensor whole = convolution.Apply(x, features);
        Tensor state = Tensor.Zeros([2, Width - 1, Channels]);
        for (int t = 0; t < 7; t++)
        {
            Tensor y = convolution.Step(
                x.Slice(1, t, 1).Reshape(2, Channels), features?.Slice(1, t, 1).Reshape(2, convolution.GeneratorSize), state);
            Assert.Equal(whole.Slice(1, t, 1).ToArray<float>(), y.ToArray<float>());
        }
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
        var error = Assert.Throws<DynConvException>(() => new LowRankShortConvolution(
            Channels, Inputs, Width, 3, new RandomSource(2), generatorIn: new Parameter(Tensor.Zeros([4, Inputs]), ParameterKind.Convolution)));
        Assert.Equal("The generator has to be [3, 10], and the given one is [4, 10].", error.Message);
    }

    [Fact]
    public void Sizes_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        var random = new RandomSource(1);
        Refused("A short convolution has from 1 to 16 taps, not 17.", () => new StaticShortConvolution(8, 17, random));
        Refused("A short convolution needs at least 1 channel, not 0.", () => new StaticShortConvolution(0, 4, random));
        Refused("A head size of 3 does not divide the 8 channels.", () => new HeadWiseShortConvolution(8, 8, 4, 3, random));
        Refused("A low-rank convolution has a rank of at least 1, not 0.", () => new LowRankShortConvolution(8, 8, 4, 0, random));
        using ShortConvolution convolution = Make("low-rank");
        Refused(
            "This convolution's filter is made from 3 features a token, and 4 are given.",
            () => convolution.Apply(Tensor.Zeros([1, 2, Channels]), Tensor.Zeros([1, 2, 4])));
    }

    private static void Refused(string sentence, Func<object> make) =>
        Assert.Equal(sentence, Assert.Throws<DynConvException>(make).Message);

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
}
