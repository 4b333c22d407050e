using DynConv.Cuda;
using DynConv.Tests.Serialization;

namespace DynConv.Tests.Cuda;

public sealed class AlgorithmSearchTests : IDisposable
{
    private static readonly CublasLtAlgorithm[] Proposals = [Algorithm(1), Algorithm(2), Algorithm(3)];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1.0, 0.5, 0.7, 2)]
    [InlineData(1.0, 0.99, 1.0, 1)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity, 3.0, 3)]
    public void The_fastest_is_taken_if_it_gains_more_than_chance(double first, double second, double third, ulong chosen) =>
        Assert.Equal(chosen, Choose(new(Cache()), "a", first, second, third));

    [Fact]
    public void What_was_found_once_is_taken_by_all_later_processes()
    {
        Assert.Equal(2ul, Choose(new(Cache()), "a", 3, 1, 2));
        Assert.Equal(2ul, Choose(new(Cache()), "a"));
        Assert.Equal(3ul, Choose(new(Cache()), "b", 3, 2, 1));
        Assert.Equal(2, _folder.Names.Length);
    }

    [Fact]
    public void What_another_process_found_in_the_meantime_counts()
    {
        var search = new AlgorithmSearch(Cache());
        CublasLtAlgorithm chosen = search.Choose("a", Proposals, _ =>
        {
            Choose(new(Cache()), "a", 2, 2, 1);
            return [2, 1, 2];
        });
        Assert.Equal(3ul, Id(chosen));
    }

    [Fact]
    public void What_the_library_does_not_propose_any_more_is_found_anew()
    {
        string file = Cache().FileOf("a");
        Cache().Write(file, [1, 2, 3]);
        Assert.Equal(2ul, Choose(new(Cache()), "a", 3, 1, 2));
        Assert.Equal(2ul, Choose(new(Cache()), "a"));
    }

    [Fact]
    public void Where_nothing_can_be_kept_the_first_is_taken()
    {
        File.WriteAllText(_folder["file"], "");
        Assert.Equal(1ul, Choose(new(new KernelDiskCache(_folder["file"])), "a", 3, 1, 2));
    }

    [Fact]
    public void Small_products_are_computed_as_proposed()
    {
        Assert.False(new AlgorithmSearch(Cache()).Covers(1e9));
        Assert.Equal(AlgorithmSearch.IsOn, new AlgorithmSearch(Cache()).Covers(1e11));
    }

    [Theory]
    [Trait("Uses", "compiler")]
    [InlineData(false)]
    [InlineData(true)]
    public void A_product_that_is_measured_is_computed_all_the_same(bool accumulate)
    {
        Device device = CudaCard.Get();
        Assert.SkipUnless(AlgorithmSearch.IsOn, "measuring is switched off");
        using var scope = new TensorScope();
        Tensor a = Tensor.From([1f, 2, 3, 4, 5, 6], [2, 3], device);
        Tensor b = Tensor.From([1f, 0, 2, 0, 1, 3], [3, 2], device);
        for (int run = 0; run < 2; run++)
        {
            var products = new CudaMatMul(device.Context, new AlgorithmSearch(Cache(), leastOperations: 0));
            Tensor c = Tensor.Full([2, 2], 10, DType.Float32, device);
            products.Multiply(2, 2, 3, 1, Matrix(a, 3), Matrix(b, 2), Matrix(c, 2), accumulate);
            products.Multiply(2, 2, 3, 1, Matrix(a, 3), Matrix(b, 2), Matrix(c, 2), accumulate);
            Assert.Equal(accumulate ? [26f, 28, 50, 46] : [8f, 9, 20, 18], c.ToArray<float>());
            Assert.Single(_folder.Names);
        }

        static CudaMatrix Matrix(Tensor tensor, long stride) => new(tensor.Address, DType.Float32, stride, Transposed: false, BatchStride: 0);
    }

    private KernelDiskCache Cache() => new(_folder.FullName);

    private static ulong Choose(AlgorithmSearch search, string product, params double[] times) => Id(search.Choose(
        product, Proposals, _ => times.Length > 0 ? times : throw new InvalidOperationException("nothing is to be measured")));

    private static CublasLtAlgorithm Algorithm(ulong id)
    {
        CublasLtAlgorithm algorithm = default;
        algorithm[0] = id;
        return algorithm;
    }

    private static ulong Id(CublasLtAlgorithm algorithm) => algorithm[0];
}
