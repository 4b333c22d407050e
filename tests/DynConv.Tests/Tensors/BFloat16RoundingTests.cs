using DynConv.Ops;

namespace DynConv.Tests.Tensors;

public sealed class BFloat16RoundingTests
{
    [Fact]
    public void Results_and_gradients_of_ops_are_rounded_and_numbers_by_themselves_are_not()
    {
        using var scope = new TensorScope();
        float[] values = [1.001f, -0.3f, 2.718f, 1e-3f];
        using Tensor x = Tensor.From(values, [4]).RequireGradient();
        using var tape = new Tape();
        Tensor square;
        Tensor mean;
        using (BFloat16Rounding.Start())
        {
            square = Elementwise.Multiply(x, x);
            mean = (square * square).Mean();
            tape.Backward(mean);
        }

        float[] rounded = [.. values.Select(v => Rounded(v * v))];
        Assert.Equal(rounded, square.ToArray<float>());
        Assert.NotEqual(Rounded(mean.Item()), mean.Item());

        // The gradient of the square, which flows back, is rounded; that of x, where it ends, is not.
        Assert.Equal(
            values.Zip(rounded, (v, s) => 2 * v * Rounded(2 * s * 0.25f)), x.Gradient!.ToArray<float>(), (a, b) => Math.Abs(a - b) <= 1e-6f * Math.Abs(a));
        x.ClearGradient();
    }

    [Fact]
    public void Outside_of_its_stretch_nothing_is_rounded()
    {
        using var scope = new TensorScope();
        BFloat16Rounding.Start().Dispose();
        Assert.Equal(1.001f * 1.001f, Elementwise.Multiply(Tensor.From([1.001f], [1]), Tensor.From([1.001f], [1])).ToArray<float>()[0]);
    }

    private static float Rounded(float value) => (float)(BFloat16)value;
}
