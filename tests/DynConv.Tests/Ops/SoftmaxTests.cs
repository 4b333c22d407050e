using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class SoftmaxTests : OpTests<SoftmaxTests>, IOpCases
{
    private static readonly Shape[] Shapes = [[1], [5], [3, 7], [2, 3, 17], [0, 4], [3, 0], [2, 1000], [300, 2]];

    public static IEnumerable<OpCase> Cases =>
    [
        .. Shapes.Select(shape => OpCase.Of($"softmax {shape}", Softmax.Description, [shape], x => [Reference(x[0], shape[^1])])),
        OpCase.Of("softmax along 0", Softmax.Description, [[7, 3]], x => [Columns(x[0], 7, 3)]) with { Run = x => [Softmax.Apply(x[0], 0)] },
    ];

    [Fact]
    public void Large_numbers_do_not_overflow()
    {
        using var scope = new TensorScope();
        Tensor y = Softmax.Apply(Tensor.From([1e4f, 1e4f, -1e4f], [3]));
        Assert.Equal([0.5f, 0.5f, 0f], y.ToArray<float>(), (a, b) => Math.Abs(a - b) < 1e-30f);
    }

    private static double[] Reference(double[] x, long length) =>
    [
        .. x.Chunk((int)Math.Max(1, length)).SelectMany(row =>
        {
            double sum = row.Sum(Math.Exp);
            return row.Select(value => Math.Exp(value) / sum);
        }),
    ];

    private static double[] Columns(double[] x, int rows, int columns)
    {
        double[] transposed = [.. Enumerable.Range(0, columns).SelectMany(c => Enumerable.Range(0, rows).Select(r => x[(r * columns) + c]))];
        double[] y = Reference(transposed, rows);
        return [.. Enumerable.Range(0, rows).SelectMany(r => Enumerable.Range(0, columns).Select(c => y[(c * rows) + r]))];
    }
}
