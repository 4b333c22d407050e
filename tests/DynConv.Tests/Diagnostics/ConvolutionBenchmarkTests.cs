using DynConv.Diagnostics;
using DynConv.Modules;

namespace DynConv.Tests.Diagnostics;

public sealed class ConvolutionBenchmarkTests
{
    [Fact]
    public void A_row_says_what_was_measured_and_its_shares_follow_from_its_times()
    {
        var shape = new ConvolutionShape(ShortConvolutionKind.LowRank, 2, 16, 32, 4) { Rank = 3, Static = true };
        long before = Device.Cpu.Memory.LiveBuffers;
        ConvolutionTiming row = Assert.Single(ConvolutionBenchmark.Run([shape], TimeSpan.FromMilliseconds(1)));
        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
        Assert.Equal(("lowrank", "cpu", "float32"), (row.Op, row.Device, row.DType));
        Assert.Equal((2L, 16L, 32L, 4, 3L, 0L, true, false), (row.Batch, row.Time, row.Channels, row.Width, row.Rank, row.HeadSize, row.Static, row.Residual));
        Assert.Equal(shape.ForwardBytes / (row.ForwardUs * 1e3 * row.CopyGbPerS), row.ForwardShare, 1e-9);
        Assert.Equal(shape.ForwardBackwardBytes / (row.ForwardBackwardUs * 1e3 * row.CopyGbPerS), row.ForwardBackwardShare, 1e-9);
    }

    [Fact]
    public void Costs_count_every_tensor_once_and_every_multiplication()
    {
        var shape = new ConvolutionShape(ShortConvolutionKind.LowRank, 2, 16, 32, 4) { Rank = 3 };
        Assert.Equal(4 * ((2 * 1024) + (32 * 3) + (3 * 128)), shape.ForwardBytes);
        Assert.Equal(4 * ((5 * 1024) + (3 * ((32 * 3) + (3 * 128)))), shape.ForwardBackwardBytes);

        // y: 1 and the filter: R multiply-adds a tap; dx and products: 2, the filter again, dz and dU: 3 R.
        Assert.Equal(2 * 4096 * (1 + 3), shape.ForwardFlops);
        Assert.Equal(2 * 4096 * (1 + 3 + 2 + (3 * 3)), shape.ForwardBackwardFlops);
    }

    [Fact]
    public void The_table_has_every_kind_with_every_option_at_the_headline_shape()
    {
        IEnumerable<ConvolutionShape> headline = ConvolutionShapes.Cpu.Take(10);
        Assert.All(headline, shape => Assert.Equal((4L, 1024L, 1024L, 4), (shape.Batch, shape.Time, shape.Channels, shape.Width)));
        Assert.Equal(10, headline.Select(shape => (shape.Kind, shape.Static, shape.Residual)).Distinct().Count());
        Assert.Equal(ConvolutionShapes.Cpu.Count, ConvolutionShapes.Cpu.Distinct().Count());
    }
}
