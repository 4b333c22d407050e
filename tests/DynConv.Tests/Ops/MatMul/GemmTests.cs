using DynConv.Cpu;

namespace DynConv.Tests.Ops;

[Trait("Uses", "OpenBLAS")]
public sealed class GemmTests
{
    // Around the heights of panels and tiles (6, 12, 24, 96), their widths (2 to 32), and the depth of a block (256).
    private static readonly int[] Heights = [1, 2, 5, 6, 7, 12, 13, 25, 101];
    private static readonly int[] Widths = [1, 3, 8, 17, 32, 33, 67];
    private static readonly int[] Depths = [1, 2, 7, 64, 259];

    public static TheoryData<string> Variants => GemmVariants.Names;

    // Products of small whole numbers are exact in float32 in any order, so nothing but equality will do.
    [Theory]
    [MemberData(nameof(Variants))]
    public void Whole_numbers_come_out_exactly_at_every_size_and_orientation(string variant)
    {
        Action<GemmProblem> multiply = GemmVariants.Get(variant);
        var random = new Random(1);
        foreach (int m in Heights)
        {
            foreach (int n in Widths)
            {
                foreach (int k in Depths)
                {
                    bool transposeA = random.Next(2) == 1;
                    bool transposeB = random.Next(2) == 1;
                    CheckExactly(multiply, m, n, k, transposeA, transposeB, random);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Sizes_beyond_every_tile_come_out_exactly(string variant)
    {
        Action<GemmProblem> multiply = GemmVariants.Get(variant);
        var random = new Random(2);
        foreach ((int m, int n, int k) in new[] { (307, 71, 131), (29, 531, 67), (211, 307, 521), (37, 41, 4111), (1, 1031, 257), (1031, 1, 257) })
        {
            foreach ((bool transposeA, bool transposeB) in new[] { (false, false), (false, true), (true, false), (true, true) })
            {
                CheckExactly(multiply, m, n, k, transposeA, transposeB, random);
            }
        }
    }

    // Each of the K products and sums rounds by at most half a unit in the last place, 2^-24 of what it rounds, and no
    // partial sum exceeds the sum of the magnitudes: K 2^-24 of that sum bounds the error in any order. Adding to C
    // rounds once more for each block of the depth.
    [Theory]
    [MemberData(nameof(Variants))]
    public void Rounding_stays_within_the_bound_of_float32_sums(string variant)
    {
        Action<GemmProblem> multiply = GemmVariants.Get(variant);
        var random = new Random(3);
        foreach ((int m, int n, int k) in new[] { (1, 70, 384), (67, 45, 700), (130, 96, 64) })
        {
            var product = new GemmCase(m, n, k, transposeA: false, transposeB: true, () => (float)(random.NextDouble() - 0.5));
            float[] actual = product.Multiply(multiply);
            (double Value, double Magnitude)[] expected = product.Reference();
            for (int i = 0; i < actual.Length; i++)
            {
                Assert.InRange(Math.Abs(actual[i] - expected[i].Value), 0, (k + 4) * Math.Pow(2, -24) * expected[i].Magnitude);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Threads_leave_no_trace_in_the_bits(string variant)
    {
        Action<GemmProblem> multiply = GemmVariants.Get(variant);
        var random = new Random(4);
        foreach ((int m, int n, int k) in new[] { (203, 97, 301), (3, 1000, 211), (1, 2000, 300), (500, 16, 100) })
        {
            var product = new GemmCase(m, n, k, transposeA: false, transposeB: true, () => (float)random.NextDouble());
            float[] one = WithThreads(1, () => product.Multiply(multiply));
            Assert.Equal(one, WithThreads(2, () => product.Multiply(multiply)));
            Assert.Equal(one, WithThreads(5, () => product.Multiply(multiply)));
        }
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_product_inside_a_worker_equals_one_outside(string variant)
    {
        Action<GemmProblem> multiply = GemmVariants.Get(variant);
        var random = new Random(5);
        var product = new GemmCase(130, 70, 300, transposeA: true, transposeB: false, () => (float)random.NextDouble());
        float[] outside = product.Multiply(multiply);
        var inside = new float[8][];
        Workers.For(inside.Length, block => inside[block] = product.Multiply(multiply));
        Assert.All(inside, result => Assert.Equal(outside, result));
    }

    // Attention multiplies thousands of small blocks in each step.
    [Theory]
    [MemberData(nameof(Variants))]
    public unsafe void A_small_product_allocates_nothing(string variant)
    {
        Action<GemmProblem> multiply = GemmVariants.Get(variant);
        var values = new float[64 * 64];
        var c = new float[64 * 64];
        fixed (float* data = values, to = c)
        {
            var packed = new GemmProblem(64, 40, 64, new GemmOperand(data, 64), new GemmOperand(data, 64), to, 64, false);
            var dots = new GemmProblem(1, 40, 64, new GemmOperand(data, 64), new GemmOperand(data, 64, true), to, 64, false);
            multiply(packed);
            multiply(dots);
            long before = GC.GetAllocatedBytesForCurrentThread();
            multiply(packed);
            multiply(dots);
            Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        }
    }

    [Theory]
    [InlineData(BlasBackend.Managed)]
    [InlineData(BlasBackend.OpenBlas)]
    public void Empty_sizes_are_fine_and_an_empty_depth_gives_zeros(BlasBackend backend)
    {
        if (backend == BlasBackend.OpenBlas)
        {
            Tools.OpenBlas.OrSkip();
        }

        void Multiply(GemmProblem problem) => Gemm.Multiply(backend, problem);
        Assert.Empty(new GemmCase(0, 3, 2, false, false, () => 1).Multiply(Multiply));
        Assert.Empty(new GemmCase(3, 0, 2, false, true, () => 1).Multiply(Multiply));
        Assert.Equal(new float[6], new GemmCase(2, 3, 0, true, false, () => 1).Multiply(Multiply));
        Assert.Equal([5f, 5, 5, 5, 5, 5], new GemmCase(2, 3, 0, false, false, () => 1).Multiply(Multiply, initial: 5));
    }

    private static void CheckExactly(
        Action<GemmProblem> multiply, int m, int n, int k, bool transposeA, bool transposeB, Random random)
    {
        var product = new GemmCase(m, n, k, transposeA, transposeB, () => random.Next(-4, 5));
        float[] expected = [.. product.Reference().Select(element => (float)element.Value)];
        string title = $"{m} x {n} x {k}, A {(transposeA ? "transposed" : "plain")}, B {(transposeB ? "transposed" : "plain")}";
        Assert.True(expected.AsSpan().SequenceEqual(product.Multiply(multiply)), $"C = A B differs at {title}.");
        float[] sum = [.. expected.Select(value => value + 7)];
        Assert.True(sum.AsSpan().SequenceEqual(product.Multiply(multiply, initial: 7)), $"C += A B differs at {title}.");
    }

    private static float[] WithThreads(int count, Func<float[]> run)
    {
        using IDisposable limit = CpuSettings.LimitThreads(count);
        return run();
    }
}
