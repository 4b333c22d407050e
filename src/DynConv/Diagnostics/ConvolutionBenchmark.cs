using DynConv.Modules;

namespace DynConv.Diagnostics;

/// <summary>Times the short convolutions over a table of shapes, beside the device's copy bandwidth.</summary>
public static class ConvolutionBenchmark
{
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(1.0 / 3);
    private static readonly TimeSpan CopyBudget = TimeSpan.FromMilliseconds(200);

    // Less would measure the threads' start and not the memory.
    private const long SmallestCopy = 1 << 18;

    /// <summary>Measures shapes one after the other.</summary>
    /// <param name="shapes">What to measure; <see cref="ConvolutionShapes.Of"/> the device if not given.</param>
    /// <param name="budget">How long to repeat each pass of each shape; a third of a second if not given.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    /// <returns>
    /// One row a shape, as soon as it is measured. On a GPU times are those of the kernels alone, over sets of inputs that
    /// no cache holds, and the copy bandwidth is the one of large tensors, measured once.
    /// </returns>
    public static IEnumerable<ConvolutionTiming> Run(
        IEnumerable<ConvolutionShape>? shapes = null, TimeSpan? budget = null, Device? device = null)
    {
        Device where = device ?? Device.Cpu;
        ConvolutionShape[] table = [.. shapes ?? ConvolutionShapes.Of(where)];
        var values = new NormalValues();
        return where.IsCuda
            ? RunOnCard(table, values, where, budget ?? Budget)
            : table.Select(shape => MeasureOnCpu(shape, values, budget ?? Budget));
    }

    private static IEnumerable<ConvolutionTiming> RunOnCard(
        ConvolutionShape[] shapes, NormalValues values, Device device, TimeSpan budget)
    {
        device.Prepare(() =>
        {
            foreach (ConvolutionShape shape in shapes)
            {
                using var work = new OpWork(shape.Load, values, device);
                work.ForwardBackward();
            }
        });
        double copy = CopyBandwidth.Measure(device);
        using var timer = new OpTimer(device, values, budget);
        foreach (ConvolutionShape shape in shapes)
        {
            yield return Row(shape, device, timer.Measure(shape.Load), copy);
        }
    }

    private static ConvolutionTiming MeasureOnCpu(ConvolutionShape shape, NormalValues values, TimeSpan budget)
    {
        using var timer = new OpTimer(Device.Cpu, values, budget);
        double copy = CopyBandwidth.Measure(Math.Max(shape.Batch * shape.Time * shape.Channels, SmallestCopy), CopyBudget);
        return Row(shape, Device.Cpu, timer.Measure(shape.Load), copy);
    }

    private static ConvolutionTiming Row(ConvolutionShape shape, Device device, PassTimes times, double copy) => new(
        shape.Kind.Name(),
        device.ToString(),
        shape.DType.Name(),
        shape.Batch,
        shape.Time,
        shape.Channels,
        shape.Width,
        shape.Rank,
        shape.HeadSize,
        shape.Static,
        shape.Residual,
        times.Forward * 1e6,
        times.ForwardBackward * 1e6,
        copy,
        shape.ForwardBytes / times.Forward / 1e9 / copy,
        shape.ForwardBackwardBytes / times.ForwardBackward / 1e9 / copy)
    {
        DeviceName = device.Name,
        Layout = shape.Layout.ToString().ToLowerInvariant(),
        BackwardUs = times.Backward * 1e6,
    };
}
