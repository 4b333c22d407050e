using DynConv.Ops;

namespace DynConv.Modules;

/// <summary>
/// A causal convolution over the last few tokens, for the output of a linear layer. A dynamic one makes its filters
/// from features of every token, which a generator projects from the linear layer's input.
/// </summary>
/// <remarks>
/// <see cref="Forward"/>, <see cref="ForwardWithState"/> and <see cref="Step"/> run the generator themselves. Where its
/// projection is part of a wider one, for example that of the linear layer, <see cref="Apply"/>,
/// <see cref="ApplyWithState"/> and <see cref="NextStep"/> take the finished features.
/// </remarks>
public abstract class ShortConvolution : Module
{
    private const string Op = "short_convolution";

    // What linear layers of Llama-style models start from.
    private protected const double GeneratorDeviation = 0.02;

    private protected ShortConvolution(int channels, int width, bool residual, RandomSource random, Device? device, bool bias, ConvolutionActivation activation)
    {
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, ConvolutionCall.LargestWidth);

        Channels = channels;
        Width = width;
        Residual = residual;
        Activation = activation;
        StaticWeight = Add(
            "static_weight",
            new Parameter(
                random.Fork("static_weight").Uniform([width, channels], 1 / Math.Sqrt(width), device),
                ParameterKind.Convolution));
        if (bias)
        {
            Bias = Add("bias", new Parameter(random.Fork("bias").Uniform([channels], 1 / Math.Sqrt(width), device), ParameterKind.Bias));
        }
    }

    /// <summary>D, the channels that are convolved, each on its own.</summary>
    public int Channels { get; }

    /// <summary>W, the number of taps; tap 0 is the current token.</summary>
    public int Width { get; }

    /// <summary>Whether the input is added to the result.</summary>
    public bool Residual { get; }

    /// <summary>Added to each channel before the activation, <c>[D]</c>; <c>bias</c>. Null for none.</summary>
    public Parameter? Bias { get; }

    /// <summary>Applied to the sums.</summary>
    public ConvolutionActivation Activation { get; }

    /// <summary>The part of the filter that is the same for all tokens, <c>[W, D]</c>; <c>static_weight</c>.</summary>
    public Parameter StaticWeight { get; }

    /// <summary>
    /// The projection that makes a token's features, <c>[<see cref="GeneratorSize"/>, D_in]</c>; null where the filter
    /// is static.
    /// </summary>
    public abstract Parameter? Generator { get; }

    /// <summary>Features that the filter of a token is made from: 0 static, H·W head-wise, R low-rank.</summary>
    public abstract int GeneratorSize { get; }

    /// <summary>Convolves.</summary>
    /// <param name="x">Output of the linear layer, <c>[B, T, D]</c>.</param>
    /// <param name="generatorInput">
    /// What the filters are made from, <c>[B, T, D_in]</c>: the input of the same linear layer. <paramref name="x"/> itself if
    /// not given; a static convolution does not look at it.
    /// </param>
    /// <param name="options">State, packing and destination; residual, bias and activation are the module's own.</param>
    /// <returns>y, <c>[B, T, D]</c>.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public Tensor Forward(Tensor x, Tensor? generatorInput = null, ShortConvolutionOptions? options = null)
    {
        using var scope = new TensorScope();
        return scope.Keep(Apply(x, Features(x, generatorInput), options));
    }

    /// <summary>Convolves, and returns the state that the next part of each sequence starts from.</summary>
    /// <inheritdoc cref="Forward" path="/param"/>
    /// <returns>y, and the last W - 1 inputs, <c>[B, W-1, D]</c>, or <c>[N, W-1, D]</c> for N packed sequences.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public (Tensor Y, Tensor FinalState) ForwardWithState(
        Tensor x, Tensor? generatorInput = null, ShortConvolutionOptions? options = null)
    {
        using var scope = new TensorScope();
        (Tensor y, Tensor final) = ApplyWithState(x, Features(x, generatorInput), options);
        return (scope.Keep(y), scope.Keep(final));
    }

    /// <summary>Convolves one more token of each sequence and moves the state on; records no gradient.</summary>
    /// <param name="x">Output of the linear layer, <c>[B, D]</c>.</param>
    /// <param name="generatorInput">
    /// What the filters are made from, <c>[B, D_in]</c>; <paramref name="x"/> itself if not given.
    /// </param>
    /// <param name="state">The last W - 1 inputs, <c>[B, W-1, D]</c>, oldest first; x takes the newest place.</param>
    /// <returns>y, <c>[B, D]</c>.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public Tensor Step(Tensor x, Tensor? generatorInput, Tensor state)
    {
        using var scope = new TensorScope();
        using IDisposable pause = Tape.Pause();
        return scope.Keep(ConvolutionStep.Run(NextStep(x, Features(x, generatorInput), state))[0]);
    }

    /// <summary>Convolves, with filters made from finished features.</summary>
    /// <param name="x">Input, <c>[B, T, D]</c>.</param>
    /// <param name="features">The generator's output, <c>[B, T, <see cref="GeneratorSize"/>]</c>; null where the filter is static.</param>
    /// <param name="options">State, packing and destination; residual, bias and activation are the module's own.</param>
    /// <returns>y, <c>[B, T, D]</c>.</returns>
    public Tensor Apply(Tensor x, Tensor? features, ShortConvolutionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        CheckFeatures(x, features);
        using var scope = new TensorScope();
        return scope.Keep(Convolve(
            x, features, (options ?? ShortConvolutionOptions.Default) with { Residual = Residual, Bias = Bias?.Tensor, Activation = Activation }));
    }

    /// <summary>Convolves, and returns the state that the next part of each sequence starts from.</summary>
    /// <inheritdoc cref="Apply" path="/param"/>
    /// <returns>y, and the last W - 1 inputs, <c>[B, W-1, D]</c>, or <c>[N, W-1, D]</c> for N packed sequences.</returns>
    public (Tensor Y, Tensor FinalState) ApplyWithState(Tensor x, Tensor? features, ShortConvolutionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        Tensor y = Apply(x, features, options);
        return (y, ConvolutionState.Final(x, Width, options));
    }

    /// <summary>
    /// One more token of each sequence, with filters made from finished features, to be convolved with those of other
    /// convolutions of the layer: <see cref="ConvolutionStep.Run"/>. <see cref="Step"/> does it for one convolution alone.
    /// </summary>
    /// <param name="x">The token, <c>[B, D]</c>.</param>
    /// <param name="features">Its features, <c>[B, <see cref="GeneratorSize"/>]</c>; null where the filter is static.</param>
    /// <param name="state">The last W - 1 inputs, <c>[B, W-1, D]</c>, oldest first; x takes the newest place.</param>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public ConvolutionStep NextStep(Tensor x, Tensor? features, Tensor state)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(state);
        CheckFeatures(x, features);
        return StepOf(x, features, state);
    }

    /// <summary>
    /// Sets the parameters so that the convolution returns its input, activated if it has an activation, whatever its features are, and
    /// learns from there.
    /// </summary>
    /// <param name="random">What a low-rank convolution draws its bottleneck from: were that zero too, it would not learn.</param>
    public void SetIdentity(RandomSource random)
    {
        ArgumentNullException.ThrowIfNull(random);
        using var scope = new TensorScope();
        StaticWeight.Tensor.CopyFrom(Tensor.Zeros(StaticWeight.Shape, device: StaticWeight.Tensor.Device));
        if (!Residual)
        {
            float[] ones = new float[Channels];
            Array.Fill(ones, 1);
            StaticWeight.Tensor.Slice(0, 0, 1).CopyFrom(Tensor.From(ones, [1, Channels], StaticWeight.Tensor.Device));
        }

        Bias?.Tensor.CopyFrom(Tensor.Zeros(Bias.Shape, device: Bias.Tensor.Device));
        SilenceGenerator(random);
    }

    /// <summary>Sets the generator so that a token's filter is the static one.</summary>
    private protected abstract void SilenceGenerator(RandomSource random);

    private protected static Parameter Linear(RandomSource random, Shape shape, Device? device) =>
        new(random.Normal(shape, GeneratorDeviation, device), ParameterKind.Convolution);

    private protected static Parameter Zeros(Shape shape, Device? device) =>
        new(Tensor.Zeros(shape, DType.Float32, device), ParameterKind.Convolution);

    private protected Parameter AddGenerator(string name, Parameter generator, Shape shape)
    {
        if (generator.Shape != shape)
        {
            throw new ArgumentException($"The generator has to be {shape}, and the given one is {generator.Shape}.", nameof(generator));
        }

        return Add(name, generator);
    }

    private protected abstract Tensor Convolve(Tensor x, Tensor? features, ShortConvolutionOptions options);

    private protected abstract ConvolutionStep StepOf(Tensor x, Tensor? features, Tensor state);

    private Tensor? Features(Tensor x, Tensor? generatorInput)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (Generator is null)
        {
            return null;
        }

        Tensor input = generatorInput ?? x;
        (long wanted, long given) = (Generator.Shape[1], input.Rank == 0 ? 0 : input.Shape[^1]);
        if (wanted != given || input.Rank != x.Rank || input.Shape[..^1] != x.Shape[..^1])
        {
            throw new TensorException(Op, generatorInput is null
                ? $"the filters are made from {wanted} channels, and x, which is taken where no generatorInput is given, is {x.Shape}."
                : $"generatorInput has to be {Text(x, wanted)}, and is {input.Shape}.", input, x);
        }

        return MatMul.Linear(input, Generator);

        static string Text(Tensor x, long channels) => $"[{string.Concat(x.Shape.Dimensions[..^1].ToArray().Select(dimension => $"{dimension}, "))}{channels}]";
    }

    private void CheckFeatures(Tensor x, Tensor? features)
    {
        long size = features is null or { Rank: 0 } ? 0 : features.Shape[^1];
        if (size != GeneratorSize)
        {
            throw new TensorException(
                Op, $"the filters are made from {GeneratorSize} features a token, and {size} are given.", features, x);
        }
    }
}
