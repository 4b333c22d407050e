using DynConv.Modules;

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
    public long ForwardBytes => DType.SizeInBytes() * ((2 * Activations) + Filters);

    /// <summary>
    /// Bytes of forward and backward pass: the backward pass reads x, dy and the filters and writes the gradients of x
    /// and of the filters.
    /// </summary>
    public long ForwardBackwardBytes => ForwardBytes + (DType.SizeInBytes() * ((3 * Activations) + (2 * Filters)));

    /// <summary>Multiplications and additions of the forward pass.</summary>
    public long ForwardFlops => 2 * Taps * (1 + FilterFlops);

    /// <summary>
    /// The same of both passes: the backward pass multiplies each tap with dy and with x, and low-rank filters are made
    /// once more and give two gradients.
    /// </summary>
    public long ForwardBackwardFlops => ForwardFlops + (2 * Taps * (2 + (3 * FilterFlops)));

    /// <summary>Bytes that both passes read: the inputs and the gradient of the result.</summary>
    internal long InputBytes => DType.SizeInBytes() * ((2 * Activations) + Filters);

    private long Activations => Batch * Time * Channels;

    private long Taps => Activations * Width;

    private long FilterFlops => Kind == ShortConvolutionKind.LowRank ? Rank : 0;

    private long Filters => (Static ? Width * Channels : 0) + Kind switch
    {
        ShortConvolutionKind.HeadWise => Batch * Time * (Channels / HeadSize) * Width,
        ShortConvolutionKind.LowRank => (Batch * Time * Rank) + (Rank * Width * Channels),
        _ => 0,
    };
}
