using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class AddTests : OpTests<AddTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new Shape[] { [], [1], [5], [3, 7], [2, 3, 17], [0, 4], [3, 70001] }
        select new OpCase(
            $"add {shape}",
            [new("a", shape), new("b", shape)],
            x => [Elementwise.Add(x[0], x[1])],
            x => [[.. x[0].Zip(x[1], (a, b) => a + b)]]);

    [Fact]
    public void Shapes_that_differ_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => Elementwise.Add(Tensor.Zeros([2, 3]), Tensor.Zeros([3, 2])));
        Assert.Equal("add: shapes [2, 3] and [3, 2] differ.", error.Message);
    }
}
