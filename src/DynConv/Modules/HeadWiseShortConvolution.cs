using DynConv.Ops;

namespace DynConv.Modules;

/// <summary>
/// A short convolution whose tokens each have one filter for every head of consecutive channels:
/// <see cref="HeadWiseConvolution"/> with filters <c>k = u · Gᵀ</c>.
/// </summary>
public sealed class HeadWiseShortConvolution : ShortConvolution
{
    /// <summary>Makes the convolution: it starts as a static one, uniform in ±1/√W, because G starts as zeros.</summary>
    /// <param name="channels">D.</param>
    /// <param name="inputs">D_in, the width of what the filters are made from.</param>
    /// <param name="width">W, from 1 to 16.</param>
    /// <param name="headSize">Consecutive channels that share a filter; divides D.</param>
    /// <param name="random">Where the initial values come from.</param>
    /// <param name="residual">Whether the input is added to the result.</param>
    /// <param name="generator">G, <c>[H·W, D_in]</c>, to take over; it may be a slice of a wider weight. Made if not given.</param>
    /// <param name="device">Where the parameters live; the CPU if not given.</param>
    /// <param name="bias">Whether a learned number is added to each channel; uniform in ±1/√W at first.</param>
    /// <param name="activation">Applied to the sums.</param>
    public HeadWiseShortConvolution(
        int channels,
        int inputs,
        int width,
        int headSize,
        RandomSource random,
        bool residual = true,
        Parameter? generator = null,
        Device? device = null,
        bool bias = false,
        ConvolutionActivation activation = ConvolutionActivation.None)
        : base(Divided(channels, headSize), width, residual, random, device, bias, activation)
    {
        HeadSize = headSize;
        Shape shape = [GeneratorSize, inputs];
        Generator = AddGenerator("generator.weight", generator ?? Zeros(shape, device), shape);
    }

    // Before there are parameters to lose.
    private static int Divided(int channels, int headSize) => headSize >= 1 && channels % headSize == 0
        ? channels
        : throw new ArgumentException($"A head size of {headSize} does not divide the {channels} channels.", nameof(headSize));

    /// <summary>Consecutive channels that share a filter.</summary>
    public int HeadSize { get; }

    /// <summary>H, the number of heads.</summary>
    public int Heads => Channels / HeadSize;

    /// <summary>G, <c>[H·W, D_in]</c>: row <c>h·W + w</c> makes tap w of head h; <c>generator.weight</c>.</summary>
    public override Parameter Generator { get; }

    /// <inheritdoc/>
    public override int GeneratorSize => Heads * Width;

    private protected override Tensor Convolve(Tensor x, Tensor? features, ShortConvolutionOptions options) =>
        HeadWiseConvolution.Apply(x, Filters(features!), StaticWeight, options);

    private protected override ConvolutionStep StepOf(Tensor x, Tensor? features, Tensor state) =>
        ConvolutionStep.HeadWise(x, Filters(features!), StaticWeight, state, Residual, Bias?.Tensor, Activation);

    private protected override void SilenceGenerator(RandomSource random) =>
        Generator.Tensor.CopyFrom(Tensor.Zeros(Generator.Shape, device: Generator.Tensor.Device));

    private Tensor Filters(Tensor features) => features.Reshape([.. features.Shape.Dimensions[..^1], Heads, Width]);
}
