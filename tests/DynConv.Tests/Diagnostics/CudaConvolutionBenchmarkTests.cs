using DynConv.Diagnostics;
using DynConv.Modules;
using DynConv.Tests.Cuda;

namespace DynConv.Tests.Diagnostics;

[Trait("Uses", "compiler")]
public sealed class CudaConvolutionBenchmarkTests
{
    private static readonly TimeSpan Budget = TimeSpan.FromMilliseconds(1);

    public static TheoryData<ShortConvolutionKind, ConvolutionLayout> Cases => new(
        from kind in Enum.GetValues<ShortConvolutionKind>()
        from layout in Enum.GetValues<ConvolutionLayout>()
        select (kind, layout));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_kind_in_every_layout_is_timed_and_leaves_nothing(ShortConvolutionKind kind, ConvolutionLayout layout)
    {
        Device device = CudaCard.Get();
        var shape = new ConvolutionShape(kind, 2, 9, 16, 4)
        {
            Rank = kind == ShortConvolutionKind.LowRank ? 16 : 0,
            HeadSize = kind == ShortConvolutionKind.HeadWise ? 16 : 0,
            Static = true,
            DType = DType.BFloat16,
            Layout = layout,
        };
        long before = device.Memory.LiveBuffers;
        using (var benchmark = new CudaConvolutionBenchmark(device, new NormalValues(), Budget, cacheBytes: 0, leastCalls: 2))
        {
            PassTimes times = benchmark.Measure(shape);
            Assert.InRange(times.Forward, 0, 10);
            Assert.InRange(times.ForwardBackward, 0, 10);
            Assert.InRange(times.Backward!.Value, 0, 10);
        }

        Assert.Equal(before, device.Memory.LiveBuffers);
    }
}
