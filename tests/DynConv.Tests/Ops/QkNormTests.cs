using System.Collections.Concurrent;
using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class QkNormTests : OpTests<QkNormTests>, IOpCases
{
    private const double Epsilon = 1e-5;
    private const double Theta = 10000;

    private static readonly ConcurrentDictionary<(Device Device, int HeadDim), RopeTable> Tables = new();

    // Heads of a lane and of several, with lanes left over and with several chunks a lane; no queries, no tokens.
    private static readonly (Shape Queries, long KeyHeads, long[] First)[] Sizes =
    [
        ([2, 5, 6, 8], 3, [5, 2]), ([1, 41, 4, 64], 1, [9]), ([2, 3, 1, 34], 2, [0, 0]), ([1, 2, 2, 96], 2, [1]), ([1, 3, 1, 136], 1, [0]),
        ([1, 2, 1, 328], 1, [3]), ([2, 3, 0, 8], 2, [1, 0]), ([1, 0, 2, 8], 1, [4]),
    ];

    public static IEnumerable<OpCase> Cases => Sizes.Select(item =>
    {
        Shape keys = item.Queries.With(2, item.KeyHeads);
        Shape scale = [item.Queries[3]];
        return OpCase.Of(
            $"qk_norm {item.Queries} and {item.KeyHeads}",
            QkNorm.Description,
            [item.Queries, keys, scale, scale],
            x => [Reference(x[0], x[2], item.Queries, item.First), Reference(x[1], x[3], keys, item.First)]) with
        {
            Run = x =>
            {
                using var positions = new TokenPositions(item.First, item.Queries[1]);
                RopeTable table = Tables.GetOrAdd(
                    (x[0].Device, (int)scale[0]), key => new RopeTable(Theta, key.HeadDim, 64, key.Device));
                (Tensor q, Tensor k) = QkNorm.Apply(x[0], x[1], x[2], x[3], (float)Epsilon, new RotaryPositions(table, positions));
                return [q, k];
            },
        };
    });

    [Fact]
    public void Scales_of_two_types_are_refused()
    {
        using var scope = new TensorScope();
        using var table = new RopeTable(Theta, 4, 8);
        using var positions = new TokenPositions([0], 1);
        Tensor heads = Tensor.Zeros([1, 1, 1, 4]);
        var error = Assert.Throws<TensorException>(() => QkNorm.Apply(
            heads, heads, Tensor.Ones([4]), Tensor.Ones([4]).To(DType.BFloat16), 1e-5f, new RotaryPositions(table, positions)));
        Assert.Equal("qk_norm: tensors hold float32 and bfloat16; one type is needed.", error.Message);
    }

    private static double[] Reference(double[] x, double[] scale, Shape shape, long[] first)
    {
        var y = new double[x.Length];
        int size = scale.Length;
        int half = size / 2;
        for (int row = 0; row < x.Length / size; row++)
        {
            double[] head = x[(row * size)..((row + 1) * size)];
            double rms = Math.Sqrt(head.Average(value => value * value) + Epsilon);
            double[] normed = [.. head.Zip(scale, (value, weight) => value / rms * weight)];
            long token = row / shape[2];
            long position = first[token / shape[1]] + (token % shape[1]);
            for (int i = 0; i < half; i++)
            {
                (double sine, double cosine) = Math.SinCos(position * Math.Pow(Theta, -2.0 * i / size));
                y[(row * size) + i] = (normed[i] * cosine) - (normed[i + half] * sine);
                y[(row * size) + i + half] = (normed[i + half] * cosine) + (normed[i] * sine);
            }
        }

        return y;
    }
}
