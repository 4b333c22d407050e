using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class RecurrenceGatesTests : OpTests<RecurrenceGatesTests>, IOpCases
{
    private static readonly Shape[] Shapes = [[5], [3, 7], [2, 9, 64], [0, 4], [3, 0], [61, 2]];

    public static IEnumerable<OpCase> Cases =>
    [
        .. Shapes.Select(shape => OpCase.Of(
            $"step sizes {shape}", Find("step_sizes"), [shape, [shape[^1]]], x => [Each(x, (value, h) => Softplus(value + x[1][h]))])),
        .. Shapes.Select(shape => OpCase.Of(
            $"log decays {shape}",
            Find("log_decays"),
            [shape, [shape[^1]], [shape[^1]]],
            x => [Each(x, (value, h) => -Math.Exp(x[2][h]) * Softplus(value + x[1][h]))])),
        .. Shapes.SelectMany(shape => new[] { 1, 2 }.Select(factor => OpCase.Of(
            $"sigmoid {factor} {shape}", Find("sigmoid_gates"), [shape], x => [[.. x[0].Select(value => factor / (1 + Math.Exp(-value)))]]) with
        {
            Settings = new Dictionary<string, string> { ["factor"] = $"{factor}" },
        })),
    ];

    [Fact]
    public void Parameters_of_another_length_or_type_are_refused()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2, 3]);
        var error = Assert.Throws<TensorException>(() => RecurrenceGates.StepSizes(x, Tensor.Zeros([2])));
        Assert.Equal("step_sizes: the bias has to be [H] for x [..., H], which is [2, 3], and is [2].", error.Message);
        error = Assert.Throws<TensorException>(() => RecurrenceGates.LogDecays(x, Tensor.Zeros([3]), Tensor.Zeros([1, 3])));
        Assert.Equal("log_decays: the rate has to be [H] for x [..., H], which is [2, 3], and is [1, 3].", error.Message);
        error = Assert.Throws<TensorException>(() => RecurrenceGates.StepSizes(x, Tensor.Zeros([3], DType.BFloat16)));
        Assert.Equal("step_sizes: float32 is needed, not bfloat16.", error.Message);
    }

    private static OpDescription Find(string op) => RecurrenceGates.Descriptions.Single(description => description.Name == op);

    private static double[] Each(double[][] x, Func<double, int, double> value) => [.. x[0].Select((v, i) => value(v, i % x[1].Length))];

    private static double Softplus(double x) => Math.Log(1 + Math.Exp(x));
}
