using DynConv.Diagnostics;
using DynConv.Ops;
using DynConv.Tests.Cuda;
using CudaGraph = DynConv.Cuda.CudaGraph;

namespace DynConv.Tests.Diagnostics;

[Trait("Uses", "compiler")]
public sealed class KernelProfileTests
{
    [Fact]
    public void Every_kernel_of_some_work_on_a_card_is_counted_once()
    {
        Device card = CudaCard.Get();
        using var scope = new TensorScope();
        Tensor x = Tensor.From([1f, 2, 3, 4], [2, 2], card);
        long launches = card.Context.Launches;
        IReadOnlyList<KernelTime> kernels = KernelProfile.Of(card, () =>
        {
            Tensor y = MatMul.Linear(x, x);
            Elementwise.Add(Elementwise.Add(y, x), y);
        });

        Assert.Equal(card.Context.Launches - launches, kernels.Sum(kernel => kernel.Launches));
        Assert.Equal(
            [("cublasLtMatmul", "matrix products", 1), ("elementwise_add", "copies and adds", 2)],
            kernels.Select(kernel => (kernel.Kernel, kernel.Group, kernel.Launches)).Order());
        Assert.All(kernels, kernel => Assert.InRange(kernel.Ms, 0, 60_000));
        Assert.Null(card.Context.Times);
    }

    [Fact]
    public void What_is_recorded_into_a_graph_is_not_timed()
    {
        Device card = CudaCard.Get();
        using var scope = new TensorScope();
        Tensor x = Tensor.From([1f, 2, 3, 4], [2, 2], card);
        Elementwise.Add(x, x);
        Assert.Empty(KernelProfile.Of(card, () => CudaGraph.Capture(card.Context, () => Elementwise.Add(x, x)).Dispose()));
    }

    [Fact]
    public void The_CPU_does_the_work_and_has_no_kernels()
    {
        bool done = false;
        Assert.Empty(KernelProfile.Of(Device.Cpu, () => done = true));
        Assert.True(done);
    }

    [Theory]
    [InlineData("attention_mma_forward", "attention forward")]
    [InlineData("attention_delta", "attention backward")]
    [InlineData("low_rank_backward_tensor", "convolutions")]
    [InlineData("partial_sums_of_rows", "the one before")]
    [InlineData("tensor_sums_total", "optimizer")]
    [InlineData("their_kernel", "other")]
    public void The_name_of_a_kernel_tells_its_group(string kernel, string group) =>
        Assert.Equal(group, KernelGroups.Of(kernel, "the one before"));

    [Theory]
    [InlineData("NVIDIA H100 80GB HBM3", 989)]
    [InlineData("NVIDIA H100 PCIe", 756)]
    [InlineData("NVIDIA H200", 989)]
    [InlineData("NVIDIA A100-SXM4-80GB", 312)]
    public void The_peak_of_a_card_is_found_by_its_name(string name, double tflopPerS) => Assert.Equal(tflopPerS, PeakRates.OfCard(name));

    [Fact]
    public void Where_the_peak_is_not_known_none_is_made_up()
    {
        Assert.Null(PeakRates.OfCard("NVIDIA H20"));
        Assert.Null(PeakRates.Of(Device.Cpu, DType.BFloat16));
    }
}
