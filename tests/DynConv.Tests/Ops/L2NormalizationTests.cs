using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class L2NormalizationTests : OpTests<L2NormalizationTests>, IOpCases
{
    private static readonly Shape[] Shapes = [[5], [3, 32], [2, 3, 17], [2, 2, 3, 8], [0, 4], [37, 256]];

    public static IEnumerable<OpCase> Cases => Shapes.SelectMany(shape => new[] { 1e-6, 0.5 }.Select(epsilon => OpCase.Of(
        $"epsilon {epsilon} {shape}", L2Normalization.Description, [shape], x => [Reference(x[0], (int)shape[^1], epsilon)]) with
    {
        Settings = new Dictionary<string, string> { ["eps"] = FormattableString.Invariant($"{epsilon}") },
    }));

    [Fact]
    public void A_single_number_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => L2Normalization.Apply(Tensor.Zeros([])));
        Assert.Equal("l2_norm: x has to be [..., D], and is a single number.", error.Message);
    }

    private static double[] Reference(double[] x, int length, double epsilon)
    {
        var y = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            int start = i / length * length;
            y[i] = x[i] / Math.Sqrt(x.Skip(start).Take(length).Sum(v => v * v) + epsilon);
        }

        return y;
    }
}
