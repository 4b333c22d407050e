using DynConv.Cuda;

namespace DynConv.Tests.Cuda;

/// <summary>What the emulated card computes, and that it catches what a kernel can do wrong.</summary>
[Trait("Uses", "compiler")]
public sealed class CudaEmulatorTests
{
    private const int Block = 64;
    private static readonly Lazy<CheckProgram> Program = new(() => Load(waits: true));

    public CudaEmulatorTests() => Assert.SkipUnless(CudaCard.IsEmulated(CudaCard.Get()), "there is a card");

    private static Device Card => Device.Cuda();

    [Fact]
    public void Sums_over_blocks()
    {
        const int rows = 9;
        const int columns = 150;
        float[] values = Values(rows * columns);
        using Tensor x = Tensor.From(values, [rows * columns], Card);
        using Tensor y = Tensor.Zeros([rows], device: Card);
        Program.Value.Kernel("row_sums").Launch(new CudaGrid(rows, Block), x, y, (long)columns, 2f);
        float[] sums = [.. values.Chunk(columns).Select(row => 2 * row.Sum())];
        Assert.All(y.ToArray<float>().Zip(sums), pair => Assert.Equal(pair.Second, pair.First, 1e-3f));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Products_of_tiles_need_the_wait_for_their_copies(bool waits)
    {
        const int k = 64;
        using Tensor a = Tensor.From(Values(16 * k), [16, k], Card).To(DType.BFloat16);
        using Tensor b = Tensor.From(Values(k * 8), [k, 8], Card).To(DType.BFloat16);
        using Tensor c = Tensor.Zeros([16, 8], device: Card);
        CheckProgram program = waits ? Program.Value : Load(waits);
        program.Kernel("tile_product").Launch(new CudaGrid(1, 32, 24 * k * sizeof(ushort)), a, b, c, k);
        using Tensor a32 = a.To(DType.Float32);
        using Tensor b32 = b.To(DType.Float32);
        float[] left = a32.ToArray<float>();
        float[] right = b32.ToArray<float>();
        float[] product = c.ToArray<float>();
        for (int i = 0; i < product.Length; i++)
        {
            double expected = Enumerable.Range(0, k).Sum(p => (double)left[(i / 8 * k) + p] * right[(p * 8) + (i % 8)]);
            Assert.Equal(waits ? (float)expected : float.NaN, product[i], 1e-4f);
        }
    }

    [Fact]
    public void Matrices_are_read_transposed()
    {
        int[] values = [.. Enumerable.Range(0, 32).Select(i => (2 * i) | (((2 * i) + 1) << 16))];
        using Tensor matrix = Tensor.From(values, [32], Card);
        Program.Value.Kernel("transpose").Launch(new CudaGrid(1, 32), matrix);

        // Element (r, c) was 8 r + c; a word holds two of a row.
        int[] transposed = [.. Enumerable.Range(0, 32).Select(i => (8 * (2 * (i % 4))) + (i / 4) | (((8 * ((2 * (i % 4)) + 1)) + (i / 4)) << 16))];
        Assert.Equal(transposed, matrix.ToArray<int>());
    }

    [Theory]
    [InlineData("barrier_that_one_leaves_out", 64, 0, "63 wait at block_barrier 0 (63 of 64 arrived)")]
    [InlineData("lanes_apart", 32, 0, "other lanes of the warp wait at")]
    [InlineData("misaligned", 1, 0, "not a multiple of 16")]
    [InlineData("beyond_global", 1, 0, "of an allocation of")]
    [InlineData("beyond_shared", 32, 256, "wrote to byte 256 of the 256 bytes")]
    [InlineData("beyond_array", 5, 0, "index 4 is out of the array's bounds")]
    [InlineData("row_sums", 2 * Block, 0, "has at most 64 threads")]
    [InlineData("misaligned", 1, 300 << 10, "shared memory")]
    public void Mistakes_end_the_launch_with_a_sentence(string kernel, int threads, int sharedBytes, string sentence)
    {
        using Tensor x = Tensor.Zeros([64], device: Card);
        var exception = Assert.Throws<DynConvException>(
            () => Program.Value.Kernel(kernel).Launch(new CudaGrid(1, threads, sharedBytes), x, x, 0L, 0f));
        Assert.Contains(kernel, exception.Message);
        Assert.Contains(sentence, exception.Message);
    }

    [Fact]
    public void A_missing_barrier_shows_as_NaN()
    {
        using Tensor y = Tensor.Zeros([64], device: Card);
        Program.Value.Kernel("neighbour_without_barrier").Launch(new CudaGrid(1, 64), y);
        Assert.Contains(float.NaN, y.ToArray<float>());
    }

    [Fact]
    public void The_compilers_complaint_is_in_the_log()
    {
        var exception = Assert.Throws<DynConvException>(
            () => CheckProgram.Compile("-DBLOCK=there_is_no_such_name", "-DWAITS=1"));
        Assert.Contains("there_is_no_such_name", exception.Message);
    }

    private static CheckProgram Load(bool waits) =>
        new(Card, "--gpu-architecture=sm_90a", $"-DBLOCK={Block}", $"-DWAITS={(waits ? 1 : 0)}");

    private static float[] Values(int count)
    {
        var random = new Random(count);
        return [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];
    }
}
