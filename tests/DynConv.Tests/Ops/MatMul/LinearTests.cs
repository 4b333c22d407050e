using DynConv.Ops;

namespace DynConv.Tests.Ops;

[Trait("Uses", "OpenBLAS")]
public sealed class LinearTests : OpTests<LinearTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
        from shape in new (Shape Leading, long K, long N)[]
        {
            ([], 5, 3), ([1], 1, 1), ([7], 13, 11), ([2, 3], 17, 31), ([2, 1, 5], 8, 1), ([1, 40], 33, 67), ([2, 29], 270, 19),
            ([0], 4, 3), ([2, 3], 4, 0),
        }
        let rows = shape.Leading.Count
        select OpCase.Of(
            $"linear {shape.Leading} {shape.K} to {shape.N}",
            MatMul.LinearDescription,
            [[.. shape.Leading, shape.K], [shape.N, shape.K]],
            x => [Reference(x[0], x[1], rows, shape.N, shape.K)]);

    [Fact]
    public void Without_inputs_the_outputs_are_zero()
    {
        using var scope = new TensorScope();
        Tensor y = MatMul.Linear(Tensor.Empty([2, 3, 0]), Tensor.Empty([5, 0]));
        Assert.True(y.Shape == [2, 3, 5]);
        Assert.Equal(new float[30], y.ToArray<float>());
    }

    // A model computes several layers in one product and slices the result; the slices' gradients come back together.
    [Fact]
    public void Slices_of_a_fused_projection_read_and_write_their_part_alone()
    {
        var random = new Random(1);
        Tensor Normal(Shape shape) => Tensor.From(
            [.. Enumerable.Range(0, (int)shape.Count).Select(_ => (float)OpInput.Normal(random))], shape);

        using var scope = new TensorScope();
        Tensor x = Normal([2, 3, 8]);
        Tensor fused = Normal([15, 8]);
        Tensor second = Normal([4, 9]);
        Tensor upstream = Normal([2, 3, 4]);

        (float[], float[], float[]) Run(bool sliced)
        {
            using var tape = new Tape();
            Tensor input = x.Clone().RequireGradient();
            Tensor weight = fused.Clone().RequireGradient();
            Tensor part = sliced
                ? MatMul.Linear(input, weight).Slice(-1, 3, 9)
                : MatMul.Linear(input, weight.Slice(0, 3, 9));
            Tensor y = MatMul.Linear(part, second);
            tape.Backward(y, upstream);
            return (y.ToArray<float>(), input.Gradient!.ToArray<float>(), weight.Gradient!.ToArray<float>());
        }

        (float[] y, float[] dx, float[] dw) = Run(sliced: true);
        (float[] y2, float[] dx2, float[] dw2) = Run(sliced: false);
        Assert.Equal(y2, y, AlmostEqual);
        Assert.Equal(dx2, dx, AlmostEqual);
        Assert.Equal(dw2, dw, AlmostEqual);
        Assert.All(dw.AsSpan(0, 3 * 8).ToArray(), value => Assert.Equal(0f, value));
    }

    [Fact]
    public void Shapes_and_dtypes_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => MatMul.Linear(Tensor.Zeros([2, 3]), Tensor.Zeros([3, 2])));
        Assert.Equal("linear: x [2, 3] and weight [3, 2] do not fit; [..., K] and [N, K] do.", error.Message);
        error = Assert.Throws<TensorException>(
            () => MatMul.Linear(Tensor.Zeros([2, 3]), Tensor.Zeros([3, 3], DType.BFloat16)));
        Assert.Equal("linear: the weight has to hold float32, not bfloat16.", error.Message);
    }

    // Sums of at most 15 terms of some 1 each, in different orders.
    private static bool AlmostEqual(float a, float b) => Math.Abs(a - b) <= 1e-5f * Math.Max(1, Math.Abs(a));

    private static double[] Reference(double[] x, double[] weight, long rows, long n, long k)
    {
        var y = new double[rows * n];
        for (long i = 0; i < y.Length; i++)
        {
            for (long p = 0; p < k; p++)
            {
                y[i] += x[(i / n * k) + p] * weight[(i % n * k) + p];
            }
        }

        return y;
    }
}
