using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class ElementwiseTests : OpTests<ElementwiseTests>, IOpCases
{
    private static readonly Shape[] Shapes = [[], [1], [5], [3, 7], [2, 3, 17], [0, 4]];
    private static readonly Shape Large = [33001];

    public static IEnumerable<OpCase> Cases =>
    [
        .. Shapes.Append(Large).Select(shape => OpCase.Of(
            $"add {shape}", Elementwise.AddDescription, [shape, shape], x => [[.. x[0].Zip(x[1], (a, b) => a + b)]])),
        .. Shapes.Select(shape => OpCase.Of(
            $"multiply {shape}", Elementwise.MultiplyDescription, [shape, shape], x => [[.. x[0].Zip(x[1], (a, b) => a * b)]])),
        .. Shapes.Select(shape => OpCase.Of(
            $"scale {shape}", Elementwise.ScaleDescription, [shape], x => [[.. x[0].Select(value => -1.5 * value)]])),
        .. Shapes.Append(Large).Select(shape => OpCase.Of($"sum {shape}", Elementwise.SumDescription, [shape], x => [[x[0].Sum()]])),
        OpCase.Of("mean", Elementwise.SumDescription, [[3, 17]], x => [[x[0].Average()]]) with { Run = x => [Elementwise.Mean(x[0])] },
    ];

    [Fact]
    public void Shapes_that_differ_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => Elementwise.Add(Tensor.Zeros([2, 3]), Tensor.Zeros([3, 2])));
        Assert.Equal("add: shapes [2, 3] and [3, 2] differ.", error.Message);
    }

    [Fact]
    public void Other_dtypes_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => Elementwise.Multiply(Tensor.Zeros([2], DType.Int32), Tensor.Zeros([2], DType.Int32)));
        Assert.Equal("multiply: float32 or bfloat16 is needed, not int32.", error.Message);
    }

    [Fact]
    public void The_CPU_refuses_bfloat16()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2], DType.BFloat16);
        var error = Assert.Throws<TensorException>(() => Elementwise.Add(x, x));
        Assert.Equal("add: the CPU computes in float32, and this is bfloat16.", error.Message);
    }

    [Fact]
    public void The_mean_of_nothing_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => Elementwise.Mean(Tensor.Zeros([0, 2])));
        Assert.Equal("mean: shape [0, 2] has no elements.", error.Message);
    }

    [Fact]
    public void A_long_sum_loses_no_small_terms()
    {
        using var scope = new TensorScope();
        const int Count = 1 << 24;
        Tensor ones = Tensor.From([1f], [1]).Expand([Count]);
        Tensor sum = Elementwise.Sum(Elementwise.Scale(ones, 1.5f));
        Assert.Equal(1.5f * Count, sum.Item());
    }

    [Fact]
    public void A_tensor_times_itself_has_both_gradients()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        using Tensor x = Tensor.From([3f, -2f], [2]).RequireGradient();
        tape.Backward(Elementwise.Sum(Elementwise.Multiply(x, x)));
        Assert.Equal([6f, -4f], x.Gradient!.ToArray<float>());
        x.ClearGradient();
    }
}
