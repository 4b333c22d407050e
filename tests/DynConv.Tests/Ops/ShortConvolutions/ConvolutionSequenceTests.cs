using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Tests.Ops.ShortConvolutions;

/// <summary>Sequences in parts, token by token, packed, and as slices of wider tensors.</summary>
[Trait("Uses", "compiler")]
public sealed class ConvolutionSequenceTests
{
    private const int Width = 4;
    private const int Channels = 40;
    private const int Rank = 6;
    private const int Heads = 8;

    public static TheoryData<ShortConvolutionKind, string> Kinds => new(
        from device in TestDevices.Float32Names
        from kind in Enum.GetValues<ShortConvolutionKind>()
        select (kind, device));

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Two_halves_equal_the_whole_bit_for_bit(ShortConvolutionKind kind, string device)
    {
        using var scope = new TensorScope();
        var one = new Convolution(kind, 2, 37, TestDevices.Get(device));
        (Tensor whole, Tensor final) = one.Run(0, 37, null);
        foreach (int cut in new[] { 1, 2, 3, 20, 36 })
        {
            (Tensor first, Tensor state) = one.Run(0, cut, null);
            (Tensor second, Tensor end) = one.Run(cut, 37 - cut, state);
            Assert.Equal(whole.Slice(1, 0, cut).ToArray<float>(), first.ToArray<float>());
            Assert.Equal(whole.Slice(1, cut, 37 - cut).ToArray<float>(), second.ToArray<float>());
            Assert.Equal(final.ToArray<float>(), end.ToArray<float>());
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Gradients_flow_through_the_state_between_two_halves(ShortConvolutionKind kind, string device)
    {
        using var scope = new TensorScope();
        var one = new Convolution(kind, 2, 23, TestDevices.Get(device));
        Tensor dy = new RandomSource(5).Normal([2, 23, Channels], 1).To(one.X.Device);
        one.X.RequireGradient();
        using (var tape = new Tape())
        {
            tape.Backward(one.Run(0, 23, null).Y, dy);
        }

        float[] wanted = one.X.Gradient!.ToArray<float>();
        one.X.ClearGradient();
        using (var tape = new Tape())
        {
            (Tensor first, Tensor state) = one.Run(0, 10, null);
            (Tensor second, _) = one.Run(10, 13, state);
            tape.Backward((first, dy.Slice(1, 0, 10)), (second, dy.Slice(1, 10, 13)));
        }

        AssertClose(wanted, one.X.Gradient!.ToArray<float>());
        one.X.ClearGradient();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Steps_equal_the_full_pass_bit_for_bit(ShortConvolutionKind kind, string device)
    {
        using var scope = new TensorScope();
        var one = new Convolution(kind, 3, 9, TestDevices.Get(device));
        (Tensor whole, Tensor final) = one.Run(0, 9, null);
        Tensor state = Tensor.Zeros([3, Width - 1, Channels], DType.Float32, one.X.Device);
        for (int t = 0; t < 9; t++)
        {
            Assert.Equal(whole.Slice(1, t, 1).ToArray<float>(), one.Step(t, state).ToArray<float>());
        }

        Assert.Equal(final.ToArray<float>(), state.ToArray<float>());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Packed_sequences_equal_separate_ones(ShortConvolutionKind kind, string device)
    {
        using var scope = new TensorScope();
        long[] bounds = [0, 2, 2, 19, 20, 41];
        using var packed = new PackedSequences(bounds);
        var one = new Convolution(kind, 1, 41, TestDevices.Get(device));
        Tensor dy = new RandomSource(6).Normal([1, 41, Channels], 1).To(one.X.Device);
        Tensor states = new RandomSource(8).Normal([5, Width - 1, Channels], 1).To(one.X.Device);
        one.X.RequireGradient();
        (float[] packedY, float[] packedFinal, float[] packedGradient) = Pass(() =>
            one.Run(0, 41, states, packed), dy);
        for (int n = 0; n < bounds.Length - 1; n++)
        {
            long start = bounds[n];
            long length = bounds[n + 1] - start;
            (float[] y, float[] final, float[] gradient) = Pass(
                () => one.Run(start, length, states.Slice(0, n, 1)), dy.Slice(1, start, length));
            Assert.Equal(packedY[((int)start * Channels)..((int)bounds[n + 1] * Channels)], y);
            Assert.Equal(packedFinal[(n * (Width - 1) * Channels)..((n + 1) * (Width - 1) * Channels)], final);
            Assert.Equal(
                packedGradient.AsSpan((int)start * Channels, (int)length * Channels),
                gradient.AsSpan((int)start * Channels, (int)length * Channels));
        }

        (float[], float[], float[]) Pass(Func<(Tensor Y, Tensor Final)> run, Tensor upstream)
        {
            using var tape = new Tape();
            (Tensor y, Tensor final) = run();
            tape.Backward(y, upstream);
            float[] gradient = one.X.Gradient?.ToArray<float>() ?? new float[one.X.Count];
            one.X.ClearGradient();
            return (y.ToArray<float>(), final.ToArray<float>(), gradient);
        }
    }

    [Fact]
    public void Columns_of_one_projection_are_read_and_written_without_copies()
    {
        using var scope = new TensorScope();
        Tensor fused = new RandomSource(1).Normal([2, 11, (2 * Channels) + Rank], 1).RequireGradient();
        Tensor u = new RandomSource(2).Normal([Rank, Width * Channels], 1).RequireGradient();
        Tensor wide = Tensor.Zeros([2, 11, 3 * Channels]);
        using var tape = new Tape();
        Tensor x = fused.Slice(-1, Channels, Channels);
        Tensor z = fused.Slice(-1, 2 * Channels, Rank);
        var options = new ShortConvolutionOptions { Output = wide.Slice(-1, Channels, Channels) };
        long before = Device.Cpu.Memory.LiveBuffers;
        Tensor y = LowRankConvolution.Apply(x, z, u, null, options);
        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
        Assert.Same(options.Output, y);

        Tensor plain = LowRankConvolution.Apply(x.Detach().Clone(), z.Detach().Clone(), u.Detach());
        Assert.Equal(plain.ToArray<float>(), wide.Slice(-1, Channels, Channels).ToArray<float>());
        Assert.All(wide.Slice(-1, 0, Channels).ToArray<float>(), value => Assert.Equal(0, value));
        Assert.All(wide.Slice(-1, 2 * Channels, Channels).ToArray<float>(), value => Assert.Equal(0, value));

        tape.Backward(y, plain);
        Assert.All(fused.Gradient!.Slice(-1, 0, Channels).ToArray<float>(), value => Assert.Equal(0, value));
        Assert.DoesNotContain(0f, fused.Gradient!.Slice(-1, Channels, Channels + Rank).ToArray<float>());
        fused.ClearGradient();
        u.ClearGradient();
    }

    [Fact]
    public void An_input_that_is_also_the_filter_gets_both_gradients()
    {
        using var scope = new TensorScope();
        Tensor x = new RandomSource(3).Normal([2, 7, 12], 1).RequireGradient();
        Tensor dy = new RandomSource(4).Normal([2, 7, 12], 1);
        using (var tape = new Tape())
        {
            tape.Backward(HeadWiseConvolution.Apply(x, x.Reshape(2, 7, 3, 4)), dy);
        }

        float[] both = x.Gradient!.ToArray<float>();
        Tensor copy = x.Detach().Clone().RequireGradient();
        x.ClearGradient();
        using (var tape = new Tape())
        {
            tape.Backward(HeadWiseConvolution.Apply(x, copy.Reshape(2, 7, 3, 4)), dy);
        }

        float[] sum = [.. x.Gradient!.ToArray<float>().Zip(copy.Gradient!.ToArray<float>(), (a, b) => a + b)];
        AssertClose(sum, both);
        x.ClearGradient();
        copy.ClearGradient();
    }

    // Two ways that add the same few dozen terms in another order differ by a few units in the last place.
    private static void AssertClose(float[] wanted, float[] got)
    {
        float limit = 2e-6f * wanted.Max(Math.Abs);
        Assert.Equal(wanted.Length, got.Length);
        Assert.All(wanted.Zip(got), pair => Assert.InRange(pair.Second, pair.First - limit, pair.First + limit));
    }

    private sealed class Convolution(ShortConvolutionKind kind, long batch, long time, Device device)
    {
        private readonly Tensor _heads = new RandomSource(2).Normal([batch, time, Heads, Width], 1).To(device);
        private readonly Tensor _z = new RandomSource(3).Normal([batch, time, Rank], 1).To(device);
        private readonly Tensor _u = new RandomSource(4).Normal([Rank, Width * Channels], 1).To(device);
        private readonly Tensor _s = new RandomSource(5).Normal([Width, Channels], 1).To(device);

        private readonly Tensor _bias = new RandomSource(6).Normal([Channels], 1).To(device);

        public Tensor X { get; } = new RandomSource(1).Normal([batch, time, Channels], 1).To(device);

        public (Tensor Y, Tensor Final) Run(long start, long length, Tensor? state, PackedSequences? packed = null)
        {
            var options = new ShortConvolutionOptions
            {
                Residual = true,
                Bias = _bias,
                Activation = ConvolutionActivation.Silu,
                InitialState = state,
                Packed = packed,
            };
            Tensor x = X.Slice(1, start, length);
            return kind switch
            {
                ShortConvolutionKind.Static => StaticConvolution.ApplyWithState(x, _s, options),
                ShortConvolutionKind.HeadWise => HeadWiseConvolution.ApplyWithState(x, _heads.Slice(1, start, length), _s, options),
                _ => LowRankConvolution.ApplyWithState(x, _z.Slice(1, start, length), _u, _s, options),
            };
        }

        public Tensor Step(long t, Tensor state)
        {
            const ConvolutionActivation Silu = ConvolutionActivation.Silu;
            Tensor x = X.Slice(1, t, 1).Reshape(batch, Channels);
            return kind switch
            {
                ShortConvolutionKind.Static => StaticConvolution.Step(x, _s, state, residual: true, _bias, Silu),
                ShortConvolutionKind.HeadWise => HeadWiseConvolution.Step(
                    x, _heads.Slice(1, t, 1).Reshape(batch, Heads, Width), _s, state, residual: true, _bias, Silu),
                _ => LowRankConvolution.Step(x, _z.Slice(1, t, 1).Reshape(batch, Rank), _u, _s, state, residual: true, _bias, Silu),
            };
        }
    }
}
