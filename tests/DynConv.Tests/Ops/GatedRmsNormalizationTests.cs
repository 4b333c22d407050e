using System.Globalization;
using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class GatedRmsNormalizationTests : OpTests<GatedRmsNormalizationTests>, IOpCases
{
    private const double Epsilon = 1e-2;

    private static readonly Shape[] Shapes = [[5], [3, 32], [2, 3, 17], [2, 2, 3, 8], [0, 4], [9, 512], [3, 1216], [4, 1097]];

    public static IEnumerable<OpCase> Cases => Shapes.SelectMany(shape => new[] { false, true }.Select(gateFirst => OpCase.Of(
        $"{(gateFirst ? "gate first" : "norm first")} {shape}",
        GatedRmsNormalization.Description,
        [shape, shape, [shape[^1]]],
        x => [Reference(x[0], x[1], x[2], gateFirst)]) with
    {
        Settings = new Dictionary<string, string>
        {
            ["eps"] = Epsilon.ToString(CultureInfo.InvariantCulture),
            ["gate_first"] = gateFirst ? "true" : "false",
        },
    }));

    [Fact]
    public void Shapes_that_differ_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => GatedRmsNormalization.Apply(Tensor.Zeros([2, 3]), Tensor.Zeros([2, 3]), Tensor.Zeros([2]), 0, gateFirst: true));
        Assert.Equal("gated_rms_norm: a weight of shape [2] does not fit x of shape [2, 3].", error.Message);
    }

    private static double[] Reference(double[] x, double[] gate, double[] weight, bool gateFirst)
    {
        double[] silu = [.. gate.Select(z => z / (1 + Math.Exp(-z)))];
        double[] inner = gateFirst ? [.. x.Zip(silu, (a, b) => a * b)] : x;
        var y = new double[x.Length];
        for (int start = 0; start < x.Length; start += weight.Length)
        {
            double square = inner.AsSpan(start, weight.Length).ToArray().Average(v => v * v);
            for (int i = 0; i < weight.Length; i++)
            {
                double normed = inner[start + i] / Math.Sqrt(square + Epsilon) * weight[i];
                y[start + i] = gateFirst ? normed : normed * silu[start + i];
            }
        }

        return y;
    }
}
