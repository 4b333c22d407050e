using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class BiasTests : OpTests<BiasTests>, IOpCases
{
    // Rows with and without whole chunks, one row, rows of one element, and more rows and columns than a block takes.
    private static readonly Shape[] Shapes =
    [
        [1], [5], [3, 32], [2, 3, 17], [2, 2, 3, 8], [0, 4], [3, 0], [41, 1], [100, 384], [37, 128], [700, 33], [2, 1, 1100],
    ];

    public static IEnumerable<OpCase> Cases => Shapes.Select(shape => OpCase.Of(
        $"bias {shape}",
        Bias.Description,
        [shape, [shape[^1]]],
        x => [[.. x[0].Select((value, i) => value + x[1][i % x[1].Length])]]));

    [Fact]
    public void A_bias_of_another_length_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => Bias.Add(Tensor.Zeros([2, 3]), Tensor.Zeros([1])));
        Assert.Equal("bias: a bias of shape [1] does not fit x of shape [2, 3].", error.Message);
        error = Assert.Throws<TensorException>(() => Bias.Add(Tensor.Zeros([]), Tensor.Zeros([1])));
        Assert.Equal("bias: a bias of shape [1] does not fit x of shape [].", error.Message);
    }

    [Fact]
    public void A_bias_of_another_type_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => Bias.Add(Tensor.Zeros([2, 3]), Tensor.Zeros([3], DType.BFloat16)));
        Assert.Equal("bias: the bias has to hold float32, not bfloat16.", error.Message);
    }
}
