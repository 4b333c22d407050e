using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Tests.Ops.ShortConvolutions;

/// <summary>Low-rank convolutions of aligned slices and of single tokens, on every device and in every type there is.</summary>
[Trait("Uses", "compiler")]
public sealed class LowRankLayoutTests
{
    private const int Width = 4;
    private const int Channels = 24;
    private const int Rank = 16;
    private const int Tokens = 43;

    public static TheoryData<string> Devices => [.. TestDevices.Names];

    [Theory]
    [MemberData(nameof(Devices))]
    public void Aligned_columns_of_one_projection_give_what_copies_give(string device)
    {
        using var scope = new TensorScope();
        Tensor fused = Draw(device, 1, [2, Tokens, (3 * Channels) + Rank + 8], isParameter: false);
        Tensor u = Draw(device, 2, [Rank, Width * Channels], isParameter: true);
        Tensor s = Draw(device, 3, [Width, Channels], isParameter: true);
        Tensor dy = Draw(device, 4, [2, Tokens, 3 * Channels], isParameter: false);

        (float[] y, float[] gradient, float[] du) = Pass(fused.Detach().RequireGradient(), copies: false);
        (float[] wantedY, float[] wantedGradient, float[] wantedDu) = Pass(fused.Detach().RequireGradient(), copies: true);
        Assert.Equal(wantedY, y);
        Assert.Equal(wantedGradient, gradient);
        Assert.Equal(wantedDu, du);

        (float[], float[], float[]) Pass(Tensor projection, bool copies)
        {
            Tensor basis = u.Detach().RequireGradient();
            using var tape = new Tape();
            Tensor x = projection.Slice(-1, Channels, Channels);
            Tensor z = projection.Slice(-1, (3 * Channels) + 8, Rank);
            Tensor upstream = dy.Slice(-1, Channels, Channels);
            Tensor result = copies
                ? LowRankConvolution.Apply(x.Contiguous(), z.Contiguous(), basis, s)
                : LowRankConvolution.Apply(x, z, basis, s);
            tape.Backward(result, copies ? upstream.Contiguous() : upstream);
            float[][] values = [Values(result), Values(projection.Gradient!), Values(basis.Gradient!)];
            projection.ClearGradient();
            basis.ClearGradient();
            return (values[0], values[1], values[2]);
        }
    }

    // What tensor cores take, and what they do not: more taps, channels that no 8 divide.
    public static TheoryData<string, int, int> Steps => new(
        from device in TestDevices.Names
        from shape in new[] { (Width, Channels), (9, Channels), (Width, 9) }
        select (device, shape.Item1, shape.Item2));

    [Theory]
    [MemberData(nameof(Steps))]
    public void Steps_equal_the_full_pass_but_for_the_order_in_which_tensor_cores_add(string device, int width, int channels)
    {
        using var scope = new TensorScope();
        Tensor x = Draw(device, 1, [2, Tokens, channels], isParameter: false);
        Tensor z = Draw(device, 2, [2, Tokens, Rank - 1], isParameter: false);
        Tensor u = Draw(device, 3, [Rank - 1, width * channels], isParameter: true);
        Tensor s = Draw(device, 4, [width, channels], isParameter: true);
        Tensor state = Draw(device, 5, [2, width - 1, channels], isParameter: false);
        (Tensor whole, Tensor final) = LowRankConvolution.ApplyWithState(
            x, z, u, s, new ShortConvolutionOptions { InitialState = state.Clone(), Residual = true });
        for (int t = 0; t < Tokens; t++)
        {
            Tensor y = LowRankConvolution.Step(
                x.Slice(1, t, 1).Reshape(2, channels), z.Slice(1, t, 1).Reshape(2, Rank - 1), u, s, state, residual: true);
            AssertSame(device, Values(whole.Slice(1, t, 1)), Values(y));
        }

        Assert.Equal(Values(final), Values(state));
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Inputs_that_are_views_of_the_same_elements_both_add_to_their_gradient(string device)
    {
        using var scope = new TensorScope();
        Tensor values = Draw(device, 1, [2, 5, 9], isParameter: false);
        Tensor u = Draw(device, 2, [3, 4 * 5], isParameter: true);
        Tensor dy = Draw(device, 3, [2, 9, 5], isParameter: false);
        float[] one = Gradient(values.Clone(), values.Clone());
        Tensor both = values.Clone();
        float[] shared = Gradient(both, both);

        // bfloat16 rounds each of the two before they meet, and their sum: by 2^-8 of the largest, about.
        float limit = one.Max(Math.Abs) * (TestDevices.TypeOf(device, isParameter: false) == DType.BFloat16 ? 1e-2f : 1e-6f);
        Assert.All(one.Zip(shared), pair => Assert.InRange(pair.Second, pair.First - limit, pair.First + limit));

        float[] Gradient(Tensor forX, Tensor forZ)
        {
            using var tape = new Tape();
            forX.RequireGradient();
            forZ.RequireGradient();

            // Channels last and not in one piece: gradients go through temporaries.
            Tensor y = LowRankConvolution.Apply(forX.Transpose(1, 2), forZ.Transpose(1, 2).Slice(-1, 0, 3), u);
            tape.Backward(y, dy);
            float[] sum = Values(forX.Gradient!);
            if (!ReferenceEquals(forX, forZ))
            {
                sum = [.. sum.Zip(Values(forZ.Gradient!), (a, b) => a + b)];
                forZ.ClearGradient();
            }

            forX.ClearGradient();
            return sum;
        }
    }

    // Sums in float32 that differ in their last bits only may round to neighbouring bfloat16, 2^-7 of the smaller one apart
    // at most; near zero, where terms cancel, to ones that lie closer than the terms' own last bits.
    private static void AssertSame(string device, float[] wanted, float[] got)
    {
        if (TestDevices.TypeOf(device, isParameter: false) == DType.Float32)
        {
            Assert.Equal(wanted, got);
            return;
        }

        Assert.All(wanted.Zip(got), pair => Assert.InRange(
            Math.Abs(pair.First - pair.Second), 0, (Math.Abs(pair.First) / 128) + 1e-4f));
        Assert.InRange(wanted.Zip(got).Count(pair => pair.First != pair.Second), 0, wanted.Length / 50);
    }

    private static Tensor Draw(string device, ulong seed, Shape shape, bool isParameter) => new RandomSource(seed)
        .Normal(shape, 1).To(TestDevices.Get(device)).To(TestDevices.TypeOf(device, isParameter));

    private static float[] Values(Tensor tensor) => tensor.To(DType.Float32).ToArray<float>();
}
