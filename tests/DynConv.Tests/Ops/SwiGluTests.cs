using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class SwiGluTests : OpTests<SwiGluTests>, IOpCases
{
    private static readonly Shape[] Shapes = [[1], [5], [2, 3, 17], [2, 40], [0, 4], [1, 33000]];

    public static IEnumerable<OpCase> Cases =>
    [
        .. Shapes.Select(shape => OpCase.Of($"swiglu {shape}", SwiGlu.Description, [shape, shape], Reference)
            .With("gate", gate => gate with { Draw = random => 3 * OpInput.Normal(random) })),
        new("halves of one projection", SwiGlu.Description, [new("both", [2, 5, 40])], x => Reference(Halves(x[0], 20)))
        {
            Run = x => [SwiGlu.Apply(x[0].Slice(2, 0, 20), x[0].Slice(2, 20, 20))],
        },
        new("overlapping slices", SwiGlu.Description, [new("x", [33000])], x => Reference([x[0][..32990], x[0][10..]]))
        {
            Run = x => [SwiGlu.Apply(x[0].Slice(0, 0, 32990), x[0].Slice(0, 10, 32990))],
        },
        new("one tensor twice", SwiGlu.Description, [new("x", [2, 17])], x => Reference([x[0], x[0]]))
        {
            Run = x => [SwiGlu.Apply(x[0], x[0])],
        },
    ];

    [Fact]
    public void Large_gates_neither_overflow_nor_vanish()
    {
        using var scope = new TensorScope();
        Tensor gate = Tensor.From([1e4f, -1e4f, 100f, -100f], [4]);
        Tensor y = SwiGlu.Apply(gate, Tensor.From([2f, 2f, 2f, 2f], [4]));

        // e^88 is the largest exponential there is, so that what should be nothing is 1e-34 instead.
        Assert.Equal([2e4f, 0f, 200f, 0f], y.ToArray<float>(), (a, b) => Math.Abs(a - b) < 1e-33f);
    }

    [Fact]
    public void Shapes_that_differ_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => SwiGlu.Apply(Tensor.Zeros([2, 3]), Tensor.Zeros([2, 4])));
        Assert.Equal("swiglu: shapes [2, 3] and [2, 4] differ.", error.Message);
    }

    private static double[][] Reference(double[][] x) =>
        [[.. x[0].Zip(x[1], (gate, up) => gate / (1 + Math.Exp(-gate)) * up)]];

    private static double[][] Halves(double[] both, int half) =>
    [
        [.. both.Where((_, i) => i % (2 * half) < half)],
        [.. both.Where((_, i) => i % (2 * half) >= half)],
    ];
}
