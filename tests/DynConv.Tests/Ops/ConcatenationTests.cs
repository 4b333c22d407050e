using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class ConcatenationTests : OpTests<ConcatenationTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
    [
        .. new (Shape A, Shape B)[] { ([3, 7], [3, 2]), ([2, 3, 17], [2, 3, 17]), ([4], [1]), ([3, 0], [3, 2]), ([0, 4], [0, 3]) }
            .Select(pair => OpCase.Of($"{pair.A} and {pair.B}", Concatenation.Description, [pair.A, pair.B], x => [Rows(x, pair.A[^1], pair.B[^1])])),
        OpCase.Of("along 0", Concatenation.Description, [[2, 5], [3, 5]], x => [[.. x[0], .. x[1]]]) with
        {
            Run = x => [Tensor.Concatenate(0, x[0], x[1])],
        },
    ];

    [Fact]
    public void A_tensor_may_be_there_twice()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor x = Tensor.From([1f, 2f], [2]).RequireGradient();
        Tensor y = Tensor.Concatenate(0, x, x);
        tape.Backward((y * Tensor.From([1f, 2f, 3f, 4f], [4])).Sum());
        Assert.Equal([4f, 6f], x.Gradient!.ToArray<float>());
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = new TensorScope();
        Assert.Throws<ArgumentException>(() => Tensor.Concatenate(0));
        var error = Assert.Throws<TensorException>(() => Tensor.Concatenate(0, Tensor.Zeros([2, 3]), Tensor.Zeros([2, 4])));
        Assert.Equal("concatenation: float32 [2, 3] and float32 [2, 4] do not fit next to one another along dimension 0.", error.Message);
        Assert.Throws<TensorException>(() => Tensor.Concatenate(0, Tensor.Zeros([2]), Tensor.Zeros([2], DType.Int32)));
        Assert.Throws<TensorException>(() => Tensor.Concatenate(2, Tensor.Zeros([2])));
    }

    private static double[] Rows(double[][] x, long a, long b)
    {
        int rows = (int)(x[0].Length / Math.Max(1, a));
        rows = a == 0 ? (int)(x[1].Length / b) : rows;
        return [.. Enumerable.Range(0, rows).SelectMany(r => x[0][(int)(r * a)..(int)((r + 1) * a)].Concat(x[1][(int)(r * b)..(int)((r + 1) * b)]))];
    }
}
