using DynConv.Cuda;
using DynConv.Diagnostics;

namespace DynConv.Tests.Cuda;

[Trait("Uses", "compiler")]
public sealed class CudaGraphTests
{
    [Fact]
    public void A_graph_runs_when_launched_and_as_often_and_reads_what_is_there_then()
    {
        Device device = CudaCard.Get();
        using var scope = new TensorScope();
        Tensor source = Tensor.From([1f, 2f, 3f], [3], device);
        Tensor sum = Tensor.Zeros([3], DType.Float32, device);
        StridedCopy.Add(source, sum);
        sum.Clear();
        using CudaGraph graph = CudaGraph.Capture(device.Context, () => StridedCopy.Add(source, sum));
        Assert.Equal([0f, 0f, 0f], sum.ToArray<float>());
        graph.Launch();
        source.CopyFrom<float>([10f, 20f, 30f]);
        graph.Launch();
        Assert.Equal([11f, 22f, 33f], sum.ToArray<float>());
    }

    [Fact]
    public void Work_that_fails_ends_the_recording()
    {
        Device device = CudaCard.Get();
        using var scope = new TensorScope();
        Assert.Throws<DynConvException>(() => CudaGraph.Capture(device.Context, () => throw new DynConvException("no")));
        Assert.Equal([1f], Tensor.From([1f], [1], device).ToArray<float>());
    }

    [Fact]
    public void A_timer_runs_the_work_once_and_records_it_once()
    {
        Device device = CudaCard.Get();
        using var timer = new CudaTimer(device.Context);
        using var scope = new TensorScope();
        Tensor source = new NormalValues().Tensor([1 << 12], DType.Float32, device);
        Tensor destination = Tensor.Empty(source.Shape, DType.Float32, device);
        int runs = 0;
        double seconds = timer.Median(1, Work, TimeSpan.FromMilliseconds(1));
        Assert.True(seconds is >= 0 and < 10, $"{seconds} s");
        Assert.Equal(2, runs);
        Assert.Equal(source.ToArray<float>(), destination.ToArray<float>());

        void Work()
        {
            runs++;
            StridedCopy.Copy(source, destination);
        }
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.BFloat16)]
    public void A_product_is_timed(DType dtype)
    {
        Device device = CudaCard.Get();
        Assert.InRange(MatMulBenchmark.Measure(device, dtype, 8, 16, 32, TimeSpan.FromMilliseconds(1)), 0, 10);
    }
}
