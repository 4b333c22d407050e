using System.Globalization;
using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class RmsNormalizationTests : OpTests<RmsNormalizationTests>, IOpCases
{
    private const float Epsilon = 1e-5f;

    private static readonly Shape[] Shapes = [[5], [3, 32], [2, 3, 17], [2, 2, 3, 8], [0, 4], [100, 384], [37, 128]];

    // Rows that end in the middle of a group's chunks, rows that no 16 bytes divide, and rows longer than what the
    // threads of a block keep in registers: 4096 single elements, 8192 of float32, 16384 of bfloat16.
    private static readonly Shape[] LongShapes = [[2, 1096], [3, 4099], [2, 8200], [1, 16400]];

    public static IEnumerable<OpCase> Cases =>
    [
        .. Shapes.Concat(LongShapes).Select(shape => Case(shape, Epsilon)),

        // With a small epsilon one channel would make x / |x|, whose gradient is next to nothing.
        Case([1], 0.5f),
    ];

    [Theory]
    [InlineData(1e-15f)]
    [InlineData(1e15f)]
    public void The_scale_of_x_does_not_matter(float scale)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        using Tensor x = Tensor.From([3f * scale, -4f * scale, 0f, 0f], [4]).RequireGradient();
        Tensor y = RmsNormalization.Apply(x, Tensor.From([1f, 1f, 1f, 2f], [4]), 0f);
        Assert.Equal([1.2f, -1.6f, 0f, 0f], y.ToArray<float>(), (a, b) => Math.Abs(a - b) < 1e-6f);
        tape.Backward(y, Tensor.From([1f, 1f, 1f, 1f], [4]));

        // r = 0.4 / scale; dx = r w dy - x r^3 / 4 sum(x w dy), with sum(x w dy) = -scale.
        float r = 0.4f / scale;
        float[] wanted = [r * 1.12f, r * 0.84f, r, 2 * r];
        Assert.Equal(wanted, x.Gradient!.ToArray<float>(), (a, b) => Math.Abs(a - b) <= 1e-5f * r);
        x.ClearGradient();
    }

    [Fact]
    public void A_weight_of_another_length_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => RmsNormalization.Apply(Tensor.Zeros([2, 3]), Tensor.Zeros([4]), Epsilon));
        Assert.Equal("rms_norm: a weight of shape [4] does not fit x of shape [2, 3].", error.Message);
    }

    [Fact]
    public void A_negative_epsilon_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => RmsNormalization.Apply(Tensor.Zeros([2, 3]), Tensor.Zeros([3]), -1f));
        Assert.Equal("rms_norm: epsilon has to be at least 0, and -1 is not.", error.Message);
    }

    private static OpCase Case(Shape shape, float epsilon) => OpCase.Of(
        $"rms_norm {shape}", RmsNormalization.Description, [shape, [shape[^1]]], x => [Reference(x[0], x[1], epsilon)]) with
    {
        Settings = new Dictionary<string, string> { ["eps"] = epsilon.ToString(CultureInfo.InvariantCulture) },
    };

    private static double[] Reference(double[] x, double[] weight, double epsilon)
    {
        int d = weight.Length;
        var y = new double[x.Length];
        for (int row = 0; row < x.Length; row += d)
        {
            double square = 0;
            for (int i = 0; i < d; i++)
            {
                square += x[row + i] * x[row + i];
            }

            for (int i = 0; i < d; i++)
            {
                y[row + i] = x[row + i] / Math.Sqrt((square / d) + epsilon) * weight[i];
            }
        }

        return y;
    }
}
