using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class ReductionTests : OpTests<ReductionTests>, IOpCases
{
    private static readonly Shape[] Shapes = [[], [1], [5], [3, 7], [2, 3, 17], [0, 4], [33001]];

    public static IEnumerable<OpCase> Cases =>
    [
        .. Shapes.Select(shape => OpCase.Of($"sum {shape}", Reduction.SumDescription, [shape], x => [[x[0].Sum()]])),
        OpCase.Of("mean", Reduction.SumDescription, [[3, 17]], x => [[x[0].Average()]]) with { Run = x => [Reduction.Mean(x[0])] },
        .. Along([3, 7], 0), .. Along([3, 7], -1), .. Along([2, 3, 17], 1), .. Along([0, 4], 0), .. Along([3, 0], 1), .. Along([5], 0),
        .. Along([700, 33], 0), .. Along([33, 700], 1),
        OpCase.Of("mean along 1", Reduction.SumAlongDescription, [[3, 17]], x => [[.. SumAlong(x[0], [3, 17], 1).Select(sum => sum / 17)]]) with
        {
            Run = x => [Reduction.Mean(x[0], 1, keepDimension: true)],
        },
    ];

    [Fact]
    public void The_mean_of_nothing_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => Reduction.Mean(Tensor.Zeros([0, 2])));
        Assert.Equal("mean: shape [0, 2] has no elements.", error.Message);
    }

    [Fact]
    public void A_long_sum_loses_no_small_terms()
    {
        using var scope = new TensorScope();
        const int Count = 1 << 24;
        Tensor ones = Tensor.From([1f], [1]).Expand([Count]);
        Tensor sum = Reduction.Sum(Elementwise.Scale(ones, 1.5f));
        Assert.Equal(1.5f * Count, sum.Item());
    }

    [Fact]
    public void A_dimension_stays_where_it_is_wanted()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From([1f, 2f, 3f, 4f, 5f, 6f], [2, 3]);
        Assert.Equal(Shape.Create([2]), x.Sum(-1).Shape);
        Assert.Equal(Shape.Create([2, 1]), x.Sum(-1, keepDimension: true).Shape);
        Assert.Equal([2.5f, 3.5f, 4.5f], x.Mean(0).ToArray<float>());
        Assert.Equal("sum: shape [2, 3] has no dimension 2.", Assert.Throws<TensorException>(() => x.Sum(2)).Message);
        Assert.Equal("mean: shape [3, 0] has no elements.", Assert.Throws<TensorException>(() => Tensor.Zeros([3, 0]).Mean(1)).Message);
    }

    private static IEnumerable<OpCase> Along(Shape shape, int dimension)
    {
        int index = dimension < 0 ? dimension + shape.Rank : dimension;
        yield return OpCase.Of($"sum {shape} along {dimension}", Reduction.SumAlongDescription, [shape], x => [SumAlong(x[0], shape, index)]) with
        {
            Run = x => [Reduction.Sum(x[0], dimension)],
        };
    }

    private static double[] SumAlong(double[] x, Shape shape, int dimension)
    {
        (long outer, long length, long inner) = (shape[..dimension].Count, shape[dimension], shape[(dimension + 1)..].Count);
        double[] sums = new double[outer * inner];
        for (long i = 0; i < x.Length; i++)
        {
            sums[(i / (length * inner) * inner) + (i % inner)] += x[i];
        }

        return sums;
    }
}
