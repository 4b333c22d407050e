using DynConv.Ops;

namespace DynConv.Tests.Ops;

[Trait("Uses", "OpenBLAS")]
public sealed class BatchedTests : OpTests<BatchedTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new (Shape Leading, long M, long N, long K)[]
        {
            ([], 5, 3, 7), ([1], 1, 1, 1), ([3], 2, 1, 13), ([2, 3], 11, 7, 5), ([2, 2], 13, 35, 40), ([4], 0, 3, 2), ([0], 2, 3, 4),
        }
        from transposeA in new[] { false, true }
        from transposeB in new[] { false, true }
        let batch = shape.Leading.Count
        select OpCase.Of(
            $"batched {shape.Leading} {shape.M}x{shape.K}x{shape.N}{(transposeA ? " transposed a" : "")}{(transposeB ? " transposed b" : "")}",
            MatMul.BatchedDescription,
            [
                [.. shape.Leading, .. transposeA ? (long[])[shape.K, shape.M] : [shape.M, shape.K]],
                [.. shape.Leading, .. transposeB ? (long[])[shape.N, shape.K] : [shape.K, shape.N]],
            ],
            x => [Reference(x[0], x[1], batch, shape.M, shape.N, shape.K, transposeA, transposeB)]) with
        {
            Settings = new Dictionary<string, string>
            {
                ["transpose_a"] = transposeA ? "true" : "false",
                ["transpose_b"] = transposeB ? "true" : "false",
            },
        };

    [Fact]
    public void Without_depth_the_products_are_zero()
    {
        using var scope = new TensorScope();
        Tensor c = MatMul.Batched(Tensor.Empty([2, 3, 0]), Tensor.Empty([2, 0, 2]));
        Assert.Equal(new float[12], c.ToArray<float>());
    }

    // [B, T, H, D] seen as [B, H, T, D], as attention does: leading dimensions whose strides do not nest.
    [Fact]
    public void Heads_are_read_where_they_lie()
    {
        using var scope = new TensorScope();
        Tensor tokens = Tensor.From([.. Enumerable.Range(0, 2 * 5 * 3 * 4).Select(i => (float)(i % 7))], [2, 5, 3, 4]);
        Tensor heads = tokens.Transpose(1, 2);
        Tensor scores = MatMul.Batched(heads, heads, transposeB: true);
        Tensor copied = MatMul.Batched(heads.Clone(), heads.Clone(), transposeB: true);
        Assert.Equal(copied.ToArray<float>(), scores.ToArray<float>());
    }

    [Fact]
    public void Products_too_large_for_one_thread_each_are_the_same_one_by_one()
    {
        using var scope = new TensorScope();
        var random = new Random(1);
        Tensor Uniform(Shape shape) =>
            Tensor.From([.. Enumerable.Range(0, (int)shape.Count).Select(_ => random.NextSingle())], shape);
        Tensor a = Uniform([2, 300, 260]);
        Tensor b = Uniform([2, 260, 220]);
        Tensor c = MatMul.Batched(a, b);
        for (int i = 0; i < 2; i++)
        {
            Tensor alone = MatMul.Batched(a.Slice(0, i, 1).Reshape(300, 260), b.Slice(0, i, 1).Reshape(260, 220));
            Assert.Equal(alone.ToArray<float>(), c.Slice(0, i, 1).ToArray<float>());
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => MatMul.Batched(Tensor.Zeros([2, 3, 4]), Tensor.Zeros([2, 3, 4])));
        Assert.Equal("batched: [2, 3, 4] and [2, 3, 4] do not fit; [..., M, K] and [..., K, N] do.", error.Message);
        error = Assert.Throws<TensorException>(
            () => MatMul.Batched(Tensor.Zeros([2, 3, 4]), Tensor.Zeros([3, 3, 4]), transposeB: true));
        Assert.Equal("batched: [2, 3, 4] and [3, 3, 4] transposed do not fit; [..., M, K] and [..., K, N] do.", error.Message);
        Assert.Equal(
            "batched: shape [4] holds no matrices.",
            Assert.Throws<TensorException>(() => MatMul.Batched(Tensor.Zeros([4]), Tensor.Zeros([4]))).Message);
    }

    private static double[] Reference(
        double[] a, double[] b, long batch, long m, long n, long k, bool transposeA, bool transposeB)
    {
        var c = new double[batch * m * n];
        for (long i = 0; i < c.Length; i++)
        {
            (long at, long row, long column) = (i / (m * n), i / n % m, i % n);
            for (long p = 0; p < k; p++)
            {
                double x = a[(at * m * k) + (transposeA ? (p * m) + row : (row * k) + p)];
                double y = b[(at * k * n) + (transposeB ? (column * k) + p : (p * n) + column)];
                c[i] += x * y;
            }
        }

        return c;
    }
}
