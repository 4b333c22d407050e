using DynConv.Ops;

namespace DynConv.Modules;

/// <summary>A short convolution with one learned filter a channel: <see cref="StaticConvolution"/>.</summary>
public sealed class StaticShortConvolution : ShortConvolution
{
    /// <summary>Makes the convolution with filters uniform in ±1/√W.</summary>
    /// <param name="channels">D.</param>
    /// <param name="width">W, from 1 to 16.</param>
    /// <param name="random">Where the initial values come from.</param>
    /// <param name="residual">Whether the input is added to the result.</param>
    /// <param name="device">Where the parameter lives; the CPU if not given.</param>
    /// <param name="bias">Whether a learned number is added to each channel; uniform in ±1/√W at first.</param>
    /// <param name="activation">Applied to the sums.</param>
    public StaticShortConvolution(
        int channels,
        int width,
        RandomSource random,
        bool residual = true,
        Device? device = null,
        bool bias = false,
        ConvolutionActivation activation = ConvolutionActivation.None)
        : base(channels, width, residual, random, device, bias, activation)
    {
    }

    /// <inheritdoc/>
    public override Parameter? Generator => null;

    /// <inheritdoc/>
    public override int GeneratorSize => 0;

    private protected override Tensor Convolve(Tensor x, Tensor? features, ShortConvolutionOptions options) =>
        StaticConvolution.Apply(x, StaticWeight, options);

    private protected override ConvolutionStep StepOf(Tensor x, Tensor? features, Tensor state) =>
        ConvolutionStep.Static(x, StaticWeight, state, Residual, Bias?.Tensor, Activation);

    private protected override void SilenceGenerator(RandomSource random)
    {
    }
}
