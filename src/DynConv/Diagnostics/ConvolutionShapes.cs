using DynConv.Modules;

namespace DynConv.Diagnostics;

/// <summary>The tables of shapes that a benchmark measures if it is not told otherwise.</summary>
public static class ConvolutionShapes
{
    private const int Width = 4;

    /// <summary>
    /// On the CPU: all kinds, with static weight and residual and without, at B=4 T=1024 D=1024 W=4, and what departs from
    /// that in one way each; float32.
    /// </summary>
    public static IReadOnlyList<ConvolutionShape> Cpu { get; } = [.. Headline(), .. Departures()];

    /// <summary>On a GPU: B=4 T=4096 W=4, bfloat16.</summary>
    public static IReadOnlyList<ConvolutionShape> Cuda { get; } =
    [
        OnCard(ShortConvolutionKind.LowRank) with { Rank = 16, Static = true },
        OnCard(ShortConvolutionKind.LowRank) with { Rank = 32, Static = true },
        OnCard(ShortConvolutionKind.HeadWise) with { HeadSize = 16, Static = true },
        OnCard(ShortConvolutionKind.HeadWise) with { HeadSize = 4 },
        OnCard(ShortConvolutionKind.HeadWise) with { HeadSize = 1 },
        OnCard(ShortConvolutionKind.LowRank) with { Rank = 16, Static = true, Channels = 1024 },
        OnCard(ShortConvolutionKind.Static),
    ];

    /// <summary>The table of a device.</summary>
    /// <param name="device">Which.</param>
    public static IReadOnlyList<ConvolutionShape> Of(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return device.IsCuda ? Cuda : Cpu;
    }

    /// <summary>
    /// What a kernel must bear besides round numbers, as departures of the first shape of each kind: a slice of a fused
    /// projection, packed sequences, a length and a number of channels that nothing divides.
    /// </summary>
    /// <param name="shapes">Where they start from.</param>
    public static IEnumerable<ConvolutionShape> Variants(IEnumerable<ConvolutionShape> shapes)
    {
        ArgumentNullException.ThrowIfNull(shapes);
        return shapes.DistinctBy(static shape => shape.Kind).SelectMany(static shape => VariantsOf(shape));
    }

    private static IEnumerable<ConvolutionShape> VariantsOf(ConvolutionShape shape)
    {
        yield return shape with { Layout = ConvolutionLayout.Slice };
        yield return shape with { Layout = ConvolutionLayout.Packed };
        yield return shape with { Time = shape.Time - 3 };
        long odd = shape.Channels - 1;
        yield return shape with { Channels = odd, HeadSize = shape.HeadSize == 0 ? 0 : DivisorFrom(shape.HeadSize, odd) };
    }

    private static long DivisorFrom(long least, long number)
    {
        long divisor = Math.Min(least, number);
        while (number % divisor != 0)
        {
            divisor++;
        }

        return divisor;
    }

    private static ConvolutionShape OnCard(ShortConvolutionKind kind) =>
        new(kind, 4, 4096, 2048, Width) { DType = DType.BFloat16 };

    private static IEnumerable<ConvolutionShape> Headline()
    {
        foreach (ShortConvolutionKind kind in Enum.GetValues<ShortConvolutionKind>())
        {
            ConvolutionShape shape = Typical(kind);
            foreach (bool constant in kind == ShortConvolutionKind.Static ? [true] : new[] { false, true })
            {
                foreach (bool residual in new[] { false, true })
                {
                    yield return shape with { Static = constant, Residual = residual };
                }
            }
        }
    }

    private static IEnumerable<ConvolutionShape> Departures()
    {
        foreach (ShortConvolutionKind kind in Enum.GetValues<ShortConvolutionKind>())
        {
            ConvolutionShape shape = Typical(kind) with { Static = true, Residual = true };
            yield return shape with { Batch = 1, Time = 4096 };
            yield return shape with { Batch = 12, Time = 256, Channels = 384 };
            yield return shape with { Time = 1 };
            foreach (int width in new[] { 2, 3, 8 })
            {
                yield return shape with { Width = width };
            }
        }

        foreach (long headSize in new long[] { 1, 4, 64 })
        {
            yield return Typical(ShortConvolutionKind.HeadWise) with { HeadSize = headSize, Static = true, Residual = true };
        }

        foreach (long rank in new long[] { 4, 32 })
        {
            yield return Typical(ShortConvolutionKind.LowRank) with { Rank = rank, Static = true, Residual = true };
        }
    }

    private static ConvolutionShape Typical(ShortConvolutionKind kind) => new(kind, 4, 1024, 1024, Width)
    {
        Rank = kind == ShortConvolutionKind.LowRank ? 16 : 0,
        HeadSize = kind == ShortConvolutionKind.HeadWise ? 16 : 0,
    };
}
