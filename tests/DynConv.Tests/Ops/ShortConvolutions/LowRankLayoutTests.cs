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

    [Theory]
    [MemberData(nameof(Devices))]
    public void Steps_equal_the_full_pass_but_for_the_order_in_which_tensor_cores_add(string device)
    {
        using var scope = new TensorScope();
        Tensor x = Draw(device, 1, [2, Tokens, Channels], isParameter: false);
        Tensor z = Draw(device, 2, [2, Tokens, Rank - 1], isParameter: false);
        Tensor u = Draw(device, 3, [Rank - 1, Width * Channels], isParameter: true);
        Tensor s = Draw(device, 4, [Width, Channels], isParameter: true);
        Tensor state = Draw(device, 5, [2, Width - 1, Channels], isParameter: false);
        (Tensor whole, Tensor final) = LowRankConvolution.ApplyWithState(
            x, z, u, s, new ShortConvolutionOptions { InitialState = state.Clone(), Residual = true });
        for (int t = 0; t < Tokens; t++)
        {
            Tensor y = LowRankConvolution.Step(
                x.Slice(1, t, 1).Reshape(2, Channels), z.Slice(1, t, 1).Reshape(2, Rank - 1), u, s, state, residual: true);
            AssertSame(device, Values(whole.Slice(1, t, 1)), Values(y));
        }

        Assert.Equal(Values(final), Values(state));
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
