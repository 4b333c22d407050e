using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Diagnostics;

/// <summary>A short convolution to measure, and what it costs at least.</summary>
/// <param name="Kind">Where its filters come from.</param>
/// <param name="Batch">B.</param>
/// <param name="Time">T.</param>
/// <param name="Channels">D.</param>
/// <param name="Width">W.</param>
public sealed record ConvolutionShape(ShortConvolutionKind Kind, long Batch, long Time, long Channels, int Width)
{
    /// <summary>R of a low-rank convolution; 0 for the others.</summary>
    public long Rank { get; init; }

    /// <summary>Channels of a head of a head-wise convolution; 0 for the others.</summary>
    public long HeadSize { get; init; }

    /// <summary>Whether the filter has a static weight.</summary>
    public bool Static { get; init; } = Kind == ShortConvolutionKind.Static;

    /// <summary>Whether the input is added to the result.</summary>
    public bool Residual { get; init; }

    /// <summary>Element type of everything.</summary>
    public DType DType { get; init; }

    /// <summary>How the tokens lie.</summary>
    public ConvolutionLayout Layout { get; init; }

    /// <summary>Bytes of the forward pass: each input read once, the result written once.</summary>
    public long ForwardBytes => (long)Load.Bytes.Forward;

    /// <summary>
    /// Bytes of forward and backward pass: the backward pass reads x, dy and the filters and writes the gradients of x
    /// and of the filters.
    /// </summary>
    public long ForwardBackwardBytes => (long)Load.Bytes.Total;

    /// <summary>Multiplications and additions of the forward pass.</summary>
    public long ForwardFlops => (long)Load.Operations.Forward;

    /// <summary>
    /// The same of both passes: the backward pass multiplies each tap with dy and with x, and low-rank filters are made
    /// once more and give two gradients.
    /// </summary>
    public long ForwardBackwardFlops => (long)Load.Operations.Total;

    /// <summary>The call of the op.</summary>
    internal OpWorkload Load
    {
        get
        {
            bool isPacked = Layout == ConvolutionLayout.Packed;
            (long batch, long time) = isPacked ? (1, Batch * Time) : (Batch, Time);
            string own = Kind switch
            {
                ShortConvolutionKind.HeadWise => $" H={Channels / HeadSize}",
                ShortConvolutionKind.LowRank => $" R={Rank}",
                _ => "",
            };
            var settings = new Dictionary<string, string> { ["residual"] = Residual ? "true" : "false" };
            if (isPacked)
            {
                settings["cu_seqlens"] = Bounds(time);
            }

            return new OpWorkload(OpCatalogue.Find(Kind.Name())!, OpSizes.Parse($"B={batch} T={time} D={Channels} W={Width}{own}"), DType, DType)
            {
                Optional = Static ? [ConvolutionDescription.StaticWeight.Name] : [],
                Settings = settings,
                IsSliced = Layout == ConvolutionLayout.Slice,
            };
        }
    }

    private static string Bounds(long tokens)
    {
        const int MeanSequence = 512;
        var random = new RandomSource(2);
        var bounds = new List<long> { 0 };
        while (bounds[^1] < tokens)
        {
            bounds.Add(Math.Min(tokens, bounds[^1] + 1 + (long)(random.NextDouble() * 2 * MeanSequence)));
        }

        return string.Join(' ', bounds);
    }
}
