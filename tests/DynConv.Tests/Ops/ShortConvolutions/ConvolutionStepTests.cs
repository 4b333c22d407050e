using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Tests.Ops.ShortConvolutions;

/// <summary>A token of each sequence through the convolutions of a layer, all together.</summary>
[Trait("Uses", "compiler")]
public sealed class ConvolutionStepTests
{
    private const int Width = 4;

    // Fewer sequences than a thread takes, as many, and more; channels that fill no block, one, and several.
    public static TheoryData<string, long, int> Batches => new(
        from device in TestDevices.Names
        from batch in new long[] { 1, 3, 8, 21 }
        from width in batch == 3 ? new[] { 1, 2, 7, 16 } : [Width]
        select (device, batch, width));

    public static TheoryData<string> Devices => [.. TestDevices.Names];

    [Theory]
    [MemberData(nameof(Batches))]
    public void Convolutions_of_a_layer_step_together_as_each_alone(string device, long batch, int width)
    {
        using var scope = new TensorScope();
        (ConvolutionStep[] together, Tensor[] states) = Layer(device, batch, width);
        (ConvolutionStep[] alone, Tensor[] statesAlone) = Layer(device, batch, width);
        Tensor[] y = ConvolutionStep.Run(together);
        for (int i = 0; i < y.Length; i++)
        {
            Assert.Equal(Values(ConvolutionStep.Run(alone[i])[0]), Values(y[i]));
            Assert.Equal(Values(statesAlone[i]), Values(states[i]));
        }
    }

    [Theory]
    [MemberData(nameof(Batches))]
    public void A_state_moves_on_by_the_token(string device, long batch, int width)
    {
        using var scope = new TensorScope();
        (ConvolutionStep[] steps, Tensor[] states) = Layer(device, batch, width);
        float[][] before = [.. states.Select(Values)];
        ConvolutionStep.Run(steps);
        for (int i = 0; i < states.Length; i++)
        {
            int channels = (int)states[i].Shape[2];
            float[] x = Values(Token(device, i, batch, channels));
            float[] after = Values(states[i]);
            int row = (width - 1) * channels;
            for (int b = 0; b < batch && width > 1; b++)
            {
                Assert.Equal(before[i].AsSpan((b * row) + channels, row - channels), after.AsSpan(b * row, row - channels));
                Assert.Equal(x.AsSpan(b * channels, channels), after.AsSpan((b * row) + row - channels, channels));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void A_state_may_have_any_strides_but_one_element_in_two_places(string device)
    {
        using var scope = new TensorScope();
        Tensor x = Draw(device, 1, [2, 24], isParameter: false);
        Tensor s = Draw(device, 2, [Width, 24], isParameter: true);
        Tensor plain = Draw(device, 3, [2, Width - 1, 24], isParameter: false);
        Tensor turned = Tensor.Empty([24, Width - 1, 2], plain.DType, plain.Device).Transpose(0, 2);
        StridedCopy.Copy(plain, turned);
        Assert.Equal(Values(StaticConvolution.Step(x, s, plain)), Values(StaticConvolution.Step(x, s, turned)));
        Assert.Equal(Values(plain), Values(turned.Contiguous()));

        Tensor repeated = plain.Slice(0, 0, 1).Expand([2, Width - 1, 24]);
        Assert.Contains("strides", Assert.Throws<TensorException>(() => StaticConvolution.Step(x, s, repeated)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_left_alive_also_without_a_scope()
    {
        using Tensor x = Tensor.Zeros([2, 8]);
        using Tensor z = Tensor.Zeros([2, 3]);
        using Tensor u = Tensor.Zeros([3, 8 * Width]);
        using Tensor state = Tensor.Zeros([2, Width - 1, 8]);
        using Tensor weight = Tensor.Zeros([2, 4, Width]);
        long before = Device.Cpu.Memory.LiveBuffers;
        ConvolutionStep.Run(ConvolutionStep.LowRank(x, z, u, null, state))[0].Dispose();
        ConvolutionStep.Run(ConvolutionStep.HeadWise(x, weight, null, state))[0].Dispose();
        LowRankConvolution.Step(x, z, u, null, state).Dispose();

        // Strides that cost a copy.
        using Tensor turned = Tensor.Zeros([8, Width - 1, 2]);
        using Tensor strided = turned.Transpose(0, 2);
        using Tensor columns = Tensor.Zeros([3, 2]);
        using Tensor rows = columns.Transpose(0, 1);
        before = Device.Cpu.Memory.LiveBuffers;
        ConvolutionStep.Run(ConvolutionStep.LowRank(x, rows, u, null, strided))[0].Dispose();
        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Convolutions_without_channels_keep_none_from_stepping(string device)
    {
        using var scope = new TensorScope();
        Tensor x = Draw(device, 1, [2, 8], isParameter: false);
        Tensor s = Draw(device, 2, [Width, 8], isParameter: true);
        Tensor[] states = [.. Enumerable.Range(0, 2).Select(_ => Draw(device, 3, [2, Width - 1, 8], isParameter: false))];
        ConvolutionStep empty = ConvolutionStep.Static(
            Draw(device, 4, [2, 0], isParameter: false),
            Draw(device, 5, [Width, 0], isParameter: true),
            Draw(device, 6, [2, Width - 1, 0], isParameter: false));
        Tensor alone = ConvolutionStep.Run(ConvolutionStep.Static(x, s, states[0]))[0];
        Assert.Equal(Values(alone), Values(ConvolutionStep.Run(empty, ConvolutionStep.Static(x, s, states[1]))[1]));
        Assert.Equal(Values(states[0]), Values(states[1]));
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void States_that_steps_would_overwrite_for_one_another_are_refused(string device)
    {
        using var scope = new TensorScope();
        Tensor x = Draw(device, 1, [2, 8], isParameter: false);
        Tensor s = Draw(device, 2, [Width, 8], isParameter: true);
        Tensor state = Draw(device, 3, [2, Width - 1, 8], isParameter: false);
        float[] before = Values(state);
        Assert.Contains("another step of the same run", Assert.Throws<TensorException>(
            () => ConvolutionStep.Run(ConvolutionStep.Static(x, s, state), ConvolutionStep.Static(x, s, state))).Message, StringComparison.Ordinal);
        ConvolutionStep one = ConvolutionStep.Static(x, s, state);
        Assert.Contains("another step of the same run", Assert.Throws<TensorException>(() => ConvolutionStep.Run(one, one)).Message, StringComparison.Ordinal);
        Assert.Contains("shares elements with x", Assert.Throws<TensorException>(
            () => StaticConvolution.Step(state.Slice(1, 0, 1).Reshape(2, 8), s, state)).Message, StringComparison.Ordinal);
        Assert.Equal(before, Values(state));
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Up_to_four_convolutions_are_one_launch(string device)
    {
        if (!TestDevices.Get(device).IsCuda)
        {
            return;
        }

        using var scope = new TensorScope();
        ConvolutionStep[][] layers = [.. Enumerable.Range(0, 3).Select(_ => Layer(device, 2, Width).Steps)];
        var context = TestDevices.Get(device).Context;
        ConvolutionStep.Run(layers[0]);
        long before = context.Launches;
        ConvolutionStep.Run(layers[1].AsSpan(0, 4));
        Assert.Equal(1, context.Launches - before);
        ConvolutionStep.Run(layers[2]);
        Assert.Equal(1 + 2, context.Launches - before);
        Assert.Contains("runs once", Assert.Throws<TensorException>(() => ConvolutionStep.Run(layers[2])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Other_ends_of_the_sums_are_another_launch(string device)
    {
        if (!TestDevices.Get(device).IsCuda)
        {
            return;
        }

        using var scope = new TensorScope();
        var context = TestDevices.Get(device).Context;
        Tensor x = Draw(device, 1, [2, 8], isParameter: false);
        Tensor s = Draw(device, 2, [Width, 8], isParameter: true);
        long before = 0;
        Run();
        Assert.Equal(2, context.Launches - before);

        void Run()
        {
            Tensor[] states = [.. Enumerable.Range(0, 3).Select(_ => Draw(device, 3, [2, Width - 1, 8], isParameter: false))];
            ConvolutionStep[] steps =
            [
                ConvolutionStep.Static(x, s, states[0]),
                ConvolutionStep.Static(x, s, states[1], activation: ConvolutionActivation.Silu),
                ConvolutionStep.Static(x, s, states[2], activation: ConvolutionActivation.Silu),
            ];
            before = context.Launches;
            ConvolutionStep.Run(steps);
        }
    }

    // Two of each kind, of different sizes, as q, k, v and more would be; the fifth and sixth need a launch of their own.
    private static (ConvolutionStep[] Steps, Tensor[] States) Layer(string device, long batch, int width)
    {
        int[] channels = [24, 136, 1, 256, 24, 8];
        Tensor[] states = [.. channels.Select((size, i) => Draw(device, (ulong)i + 100, [batch, width - 1, size], isParameter: false))];
        ConvolutionStep[] steps = [.. channels.Select((size, i) =>
        {
            Tensor x = Token(device, i, batch, size);
            Tensor s = Draw(device, (ulong)i + 200, [width, size], isParameter: true);
            ulong seed = (ulong)i + 300;
            return (i % 3) switch
            {
                0 => ConvolutionStep.LowRank(
                    x,
                    Draw(device, seed, [batch, 5], isParameter: false),
                    Draw(device, seed + 1, [5, width * size], isParameter: true),
                    i == 0 ? s : null,
                    states[i],
                    residual: true),
                1 => ConvolutionStep.HeadWise(x, Draw(device, seed, [batch, size / 4, width], isParameter: false), s, states[i]),
                _ => ConvolutionStep.Static(x, s, states[i], residual: i == 2),
            };
        })];
        return (steps, states);
    }

    // A slice of a wider row, as of a matrix product with the outputs of several layers.
    private static Tensor Token(string device, int i, long batch, int channels) =>
        Draw(device, (ulong)i, [batch, channels + 3], isParameter: false).Slice(1, 2, channels);

    private static Tensor Draw(string device, ulong seed, Shape shape, bool isParameter) => new RandomSource(seed)
        .Normal(shape, 1).To(TestDevices.Get(device)).To(TestDevices.TypeOf(device, isParameter));

    private static float[] Values(Tensor tensor) => tensor.To(DType.Float32).ToArray<float>();
}
