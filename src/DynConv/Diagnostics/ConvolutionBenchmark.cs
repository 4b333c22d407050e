using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Diagnostics;

/// <summary>Times the short convolutions over a table of shapes, beside the machine's copy bandwidth.</summary>
public static class ConvolutionBenchmark
{
    private static readonly TimeSpan CopyBudget = TimeSpan.FromMilliseconds(200);

    // Less would measure the threads' start and not the memory.
    private const long SmallestCopy = 1 << 18;

    /// <summary>
    /// The table: all kinds, with static part and residual and without, at B=4 T=1024 D=1024 W=4, and what departs from
    /// that in one way each.
    /// </summary>
    public static IReadOnlyList<ConvolutionShape> Shapes { get; } = [.. Headline(), .. Departures()];

    /// <summary>Measures shapes one after the other.</summary>
    /// <param name="shapes">What to measure; <see cref="Shapes"/> if not given.</param>
    /// <param name="budget">How long to repeat each pass of each shape; a third of a second if not given.</param>
    /// <returns>One row a shape, as soon as it is measured.</returns>
    public static IEnumerable<ConvolutionTiming> Run(IEnumerable<ConvolutionShape>? shapes = null, TimeSpan? budget = null)
    {
        foreach (ConvolutionShape shape in shapes ?? Shapes)
        {
            yield return Measure(shape, budget ?? TimeSpan.FromSeconds(1.0 / 3));
        }
    }

    private static ConvolutionTiming Measure(ConvolutionShape shape, TimeSpan budget)
    {
        using var scope = new TensorScope();
        Tensor[] inputs = Inputs(shape);
        Tensor dy = new RandomSource(7).Normal(inputs[0].Shape, 1);
        double copy = CopyBandwidth.Measure(Math.Max(dy.Count, SmallestCopy), CopyBudget);
        double forward = Stopwatches.Median(
            () =>
            {
                using var inner = new TensorScope();
                Apply(shape, inputs);
            },
            budget);
        foreach (Tensor input in inputs)
        {
            input.RequireGradient();
        }

        double both = Stopwatches.Median(() => ForwardBackward(shape, inputs, dy), budget);
        foreach (Tensor input in inputs)
        {
            input.ClearGradient();
        }

        return new ConvolutionTiming(
            Name(shape.Kind),
            dy.Device.ToString(),
            dy.DType.Name(),
            shape.Batch,
            shape.Time,
            shape.Channels,
            shape.Width,
            shape.Rank,
            shape.HeadSize,
            shape.Static,
            shape.Residual,
            forward * 1e6,
            both * 1e6,
            copy,
            shape.ForwardBytes / forward / 1e9 / copy,
            shape.ForwardBackwardBytes / both / 1e9 / copy);
    }

    private static void ForwardBackward(ConvolutionShape shape, Tensor[] inputs, Tensor dy)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        foreach (Tensor input in inputs)
        {
            input.ClearGradient();
        }

        tape.Backward(Apply(shape, inputs), dy);
    }

    // In this order: x, the kind's own filters, the static part.
    private static Tensor[] Inputs(ConvolutionShape shape)
    {
        var random = new RandomSource(1);
        var inputs = new List<Tensor> { random.Normal([shape.Batch, shape.Time, shape.Channels], 1) };
        if (shape.Kind == ConvolutionKind.HeadWise)
        {
            inputs.Add(random.Normal([shape.Batch, shape.Time, shape.Channels / shape.HeadSize, shape.Width], 1));
        }

        if (shape.Kind == ConvolutionKind.LowRank)
        {
            inputs.Add(random.Normal([shape.Batch, shape.Time, shape.Rank], 1));
            inputs.Add(random.Normal([shape.Rank, shape.Width * shape.Channels], 1));
        }

        if (shape.Static)
        {
            inputs.Add(random.Normal([shape.Width, shape.Channels], 1));
        }

        return [.. inputs];
    }

    private static Tensor Apply(ConvolutionShape shape, Tensor[] inputs)
    {
        Tensor? constant = shape.Static ? inputs[^1] : null;
        var options = new ShortConvolutionOptions { Residual = shape.Residual };
        return shape.Kind switch
        {
            ConvolutionKind.Static => StaticConvolution.Apply(inputs[0], constant!, options),
            ConvolutionKind.HeadWise => HeadWiseConvolution.Apply(inputs[0], inputs[1], constant, options),
            _ => LowRankConvolution.Apply(inputs[0], inputs[1], inputs[2], constant, options),
        };
    }

    private static string Name(ConvolutionKind kind) => kind switch
    {
        ConvolutionKind.Static => "static",
        ConvolutionKind.HeadWise => "headwise",
        _ => "lowrank",
    };

    private static IEnumerable<ConvolutionShape> Headline()
    {
        foreach (ConvolutionKind kind in Enum.GetValues<ConvolutionKind>())
        {
            ConvolutionShape shape = Typical(kind);
            foreach (bool constant in kind == ConvolutionKind.Static ? [true] : new[] { false, true })
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
        foreach (ConvolutionKind kind in Enum.GetValues<ConvolutionKind>())
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
            yield return Typical(ConvolutionKind.HeadWise) with { HeadSize = headSize, Static = true, Residual = true };
        }

        foreach (long rank in new long[] { 4, 32 })
        {
            yield return Typical(ConvolutionKind.LowRank) with { Rank = rank, Static = true, Residual = true };
        }
    }

    private static ConvolutionShape Typical(ConvolutionKind kind) => new(kind, 4, 1024, 1024, 4)
    {
        Rank = kind == ConvolutionKind.LowRank ? 16 : 0,
        HeadSize = kind == ConvolutionKind.HeadWise ? 16 : 0,
    };
}
