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
        .. Shapes.Select(shape => OpCase.Of(
            $"subtract {shape}", Elementwise.SubtractDescription, [shape, shape], x => [[.. x[0].Zip(x[1], (a, b) => a - b)]])),
        .. Shapes.Append(Large).Select(shape => Divisible(OpCase.Of(
            $"divide {shape}", Elementwise.DivideDescription, [shape, shape], x => [[.. x[0].Zip(x[1], (a, b) => a / b)]]))),
        .. Broadcast("add", Elementwise.AddDescription, (a, b) => a + b),
        .. Broadcast("subtract", Elementwise.SubtractDescription, (a, b) => a - b),
        .. Broadcast("multiply", Elementwise.MultiplyDescription, (a, b) => a * b),
        .. Broadcast("divide", Elementwise.DivideDescription, (a, b) => a / b).Select(Divisible),
        OpCase.Of("offset", Elementwise.ScaleDescription, [[3, 7]], x => [[.. x[0].Select(value => 3 - (2 * value))]]) with
        {
            Run = x => [Elementwise.Scale(x[0], -2, 3)],
        },
    ];

    [Fact]
    public void Shapes_that_cannot_be_broadcast_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => Elementwise.Add(Tensor.Zeros([2, 3]), Tensor.Zeros([2, 2])));
        Assert.Equal("add: shapes [2, 3] and [2, 2] cannot be broadcast: 3 and 2 differ, and neither is 1.", error.Message);
        Assert.Throws<TensorException>(() => Elementwise.Divide(Tensor.Zeros([4, 3]), Tensor.Zeros([4])));
    }

    [Fact]
    public void Operators_are_these_ops()
    {
        using var scope = new TensorScope();
        Tensor a = Tensor.From([1f, -2f, 4f], [3]);
        Tensor b = Tensor.From([2f, 8f, 0.5f], [3]);
        Assert.Equal([3f, 6f, 4.5f], (a + b).ToArray<float>());
        Assert.Equal([-1f, -10f, 3.5f], (a - b).ToArray<float>());
        Assert.Equal([2f, -16f, 2f], (a * b).ToArray<float>());
        Assert.Equal([0.5f, -0.25f, 8f], (a / b).ToArray<float>());
        Assert.Equal([-1f, 2f, -4f], (-a).ToArray<float>());
        Assert.Equal([4f, 1f, 7f], (a + 3).ToArray<float>());
        Assert.Equal([4f, 1f, 7f], (3 + a).ToArray<float>());
        Assert.Equal([-2f, -5f, 1f], (a - 3).ToArray<float>());
        Assert.Equal([2f, 5f, -1f], (3 - a).ToArray<float>());
        Assert.Equal([2f, -4f, 8f], (2 * a).ToArray<float>());
        Assert.Equal([2f, -4f, 8f], (a * 2).ToArray<float>());
        Assert.Equal([0.5f, -1f, 2f], (a / 2).ToArray<float>());
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
    public void A_tensor_times_itself_has_both_gradients()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        using Tensor x = Tensor.From([3f, -2f], [2]).RequireGradient();
        tape.Backward(Reduction.Sum(Elementwise.Multiply(x, x)));
        Assert.Equal([6f, -4f], x.Gradient!.ToArray<float>());
        x.ClearGradient();
    }

    // One dimension, several, leading ones that are not there, both sides at once, and nothing at all.
    private static IEnumerable<OpCase> Broadcast(string name, OpDescription op, Func<double, double, double> apply)
    {
        (Shape A, Shape B)[] shapes =
        [
            ([3, 7], [7]), ([3, 7], [3, 1]), ([5], [2, 3, 5]), ([], [2, 17]), ([2, 1, 17], [1, 3, 1]), ([4, 1], [1, 4]), ([0, 4], [4]), ([1], [33]),
        ];
        foreach ((Shape a, Shape b) in name is "add" or "divide" ? shapes : shapes[1..5])
        {
            yield return OpCase.Of($"{name} {a} and {b}", op, [a, b], x => [Reference(x[0], a, x[1], b, apply)]);
        }
    }

    // Far from 0, where quotients and their derivatives are not of one size any more.
    private static OpCase Divisible(OpCase one) => one.With("b", static b => b with
    {
        Draw = static random => (random.Next(2) == 0 ? -1 : 1) * (1 + random.NextDouble()),
    });

    private static double[] Reference(double[] x, Shape a, double[] y, Shape b, Func<double, double, double> apply)
    {
        int rank = Math.Max(a.Rank, b.Rank);
        long[] dimensions = [.. Enumerable.Range(1, rank).Reverse().Select(i =>
            Length(a, i) == 1 ? Length(b, i) : Length(a, i))];
        long count = dimensions.Aggregate(1L, (product, dimension) => product * dimension);
        return [.. Enumerable.Range(0, (int)count).Select(n => apply(x[Place(n, a)], y[Place(n, b)]))];

        static long Length(Shape shape, int fromEnd) => fromEnd <= shape.Rank ? shape[^fromEnd] : 1;

        // Where an element of the result stands in an operand.
        long Place(long n, Shape shape)
        {
            long place = 0;
            long stride = 1;
            for (int i = 1; i <= rank; i++)
            {
                (n, long at) = Math.DivRem(n, dimensions[rank - i]);
                place += Length(shape, i) == 1 ? 0 : at * stride;
                stride *= Length(shape, i);
            }

            return place;
        }
    }
}
