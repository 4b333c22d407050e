using DynConv.Ops;

namespace DynConv.Modules;

/// <summary>
/// A short convolution whose tokens each mix their filters from R learned ones: <see cref="LowRankConvolution"/> with
/// <c>z = u · Aᵀ</c>.
/// </summary>
public sealed class LowRankShortConvolution : ShortConvolution
{
    /// <summary>
    /// Makes the convolution: it starts as a static one, uniform in ±1/√W, because U starts as zeros; A starts normal
    /// with standard deviation 0.02.
    /// </summary>
    /// <param name="channels">D.</param>
    /// <param name="inputs">D_in, the width of what the filters are made from.</param>
    /// <param name="width">W, from 1 to 16.</param>
    /// <param name="rank">R, at least 1.</param>
    /// <param name="random">Where the initial values come from.</param>
    /// <param name="residual">Whether the input is added to the result.</param>
    /// <param name="generatorIn">A, <c>[R, D_in]</c>, to take over; it may be a slice of a wider weight. Made if not given.</param>
    /// <param name="device">Where the parameters live; the CPU if not given.</param>
    /// <param name="bias">Whether a learned number is added to each channel; uniform in ±1/√W at first.</param>
    /// <param name="activation">Applied to the sums.</param>
    public LowRankShortConvolution(
        int channels,
        int inputs,
        int width,
        int rank,
        RandomSource random,
        bool residual = true,
        Parameter? generatorIn = null,
        Device? device = null,
        bool bias = false,
        ConvolutionActivation activation = ConvolutionActivation.None)
        : base(WithRank(channels, rank), width, residual, random, device, bias, activation)
    {
        Rank = rank;
        Shape shape = [rank, inputs];
        Generator = AddGenerator(
            "generator_in.weight", generatorIn ?? Linear(random.Fork("generator_in.weight"), shape, device), shape);
        GeneratorOut = Add("generator_out.weight", Zeros([rank, (long)width * channels], device));
    }

    // Before there are parameters to lose.
    private static int WithRank(int channels, int rank)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        return channels;
    }

    /// <summary>R, the number of learned filters that a token mixes.</summary>
    public int Rank { get; }

    /// <summary>A, <c>[R, D_in]</c>; <c>generator_in.weight</c>.</summary>
    public override Parameter Generator { get; }

    /// <summary>U, <c>[R, W·D]</c>: column <c>w·D + d</c> makes tap w of channel d; <c>generator_out.weight</c>.</summary>
    public Parameter GeneratorOut { get; }

    /// <inheritdoc/>
    public override int GeneratorSize => Rank;

    private protected override Tensor Convolve(Tensor x, Tensor? features, ShortConvolutionOptions options) =>
        LowRankConvolution.Apply(x, features!, GeneratorOut, StaticWeight, options);

    private protected override ConvolutionStep StepOf(Tensor x, Tensor? features, Tensor state) =>
        ConvolutionStep.LowRank(x, features!, GeneratorOut, StaticWeight, state, Residual, Bias?.Tensor, Activation);

    private protected override void SilenceGenerator(RandomSource random)
    {
        Generator.Tensor.CopyFrom(random.Fork("generator_in.weight").Normal(Generator.Shape, GeneratorDeviation, Generator.Tensor.Device));
        GeneratorOut.Tensor.CopyFrom(Tensor.Zeros(GeneratorOut.Shape, device: GeneratorOut.Tensor.Device));
    }
}
