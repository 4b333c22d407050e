namespace DynConv.Ops;

/// <summary>The arguments that the three kinds share, checked and in the layout that kernels read.</summary>
internal sealed class ConvolutionInputs
{
    /// <summary>Places of the shared inputs on the tape; what is particular to a kind follows from <see cref="OwnInput"/> on.</summary>
    public const int XInput = 0;

    /// <inheritdoc cref="XInput"/>
    public const int StaticInput = 1;

    /// <inheritdoc cref="XInput"/>
    public const int StateInput = 2;

    /// <inheritdoc cref="XInput"/>
    public const int BiasInput = 3;

    /// <inheritdoc cref="XInput"/>
    public const int OwnInput = 4;

    private ConvolutionInputs(Tensor x, int width, TokenSequences sequences)
    {
        X = x;
        Width = width;
        Sequences = sequences;
    }

    public Tensor X { get; }

    public Tensor? StaticWeight { get; private init; }

    public Tensor? InitialState { get; private init; }

    public Tensor? Bias { get; private init; }

    public ConvolutionActivation Activation { get; private init; }

    public TokenSequences Sequences { get; }

    public int Width { get; }

    public bool Residual { get; private init; }

    /// <summary>What all kinds keep for the backward pass, at the places above.</summary>
    public Tensor?[] Operands => [X, StaticWeight, InitialState, Bias];

    /// <summary>How the forward pass ends.</summary>
    public ConvolutionFinish Finish => ConvolutionFinish.Forward(Bias, Activation);

    public long Channels => X.Shape[2];

    /// <summary>Checks the shared arguments against x and the filter's width.</summary>
    public static ConvolutionInputs Create(string op, Tensor x, long width, Tensor? staticWeight, ShortConvolutionOptions options)
    {
        CheckRows(op, x);
        if (width is < 1 or > ConvolutionCall.LargestWidth)
        {
            throw new TensorException(
                op, $"the filter has {width} taps; from 1 to {ConvolutionCall.LargestWidth} are possible.", x, staticWeight);
        }

        (long batch, long time, long channels) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        if (staticWeight is not null)
        {
            CheckShape(op, "staticWeight", staticWeight, [width, channels], "[W, D]", x);
            OpArguments.Weight(op, "staticWeight", staticWeight, x);
        }

        if (options.Bias is { } bias)
        {
            CheckShape(op, "the bias", bias, [channels], "[D]", x);
            OpArguments.Float32(op, bias);
            OpArguments.OneDevice(op, x, bias);
        }

        TokenSequences sequences = Sequence(op, x, options.Packed);
        if (options.InitialState is { } state)
        {
            CheckState(op, state, sequences, width, x);
        }

        if (options.Output is { } output)
        {
            CheckTensor(op, "the given output", output, x.Shape, "of x's shape", x);
            if (!RowLayout.Has(output))
            {
                throw new TensorException(
                    op, $"the given output has an inner stride of {output.Strides[2]}; it has to be 1.", output);
            }

            if (Overlap.Within(output))
            {
                throw new TensorException(
                    op, $"the given output has strides [{string.Join(", ", output.Strides.ToArray())}], by which one element stands for several.", output);
            }

            CheckApart(op, output, ("x", x), ("staticWeight", staticWeight), ("initialState", options.InitialState), ("the bias", options.Bias));
        }

        return new ConvolutionInputs(RowLayout.Of(x), (int)width, sequences)
        {
            Residual = options.Residual,
            StaticWeight = staticWeight is null ? null : RowLayout.Of(staticWeight),
            InitialState = options.InitialState is null ? null : RowLayout.Of(options.InitialState),
            Bias = options.Bias is null ? null : RowLayout.Of(options.Bias),
            Activation = options.Activation,
        };
    }

    /// <summary>The sequences of <paramref name="x"/> <c>[B, T, D]</c>.</summary>
    public static TokenSequences Sequence(string op, Tensor x, PackedSequences? packed)
    {
        if (packed is not null && x.Shape[0] != 1)
        {
            throw new TensorException(op, $"packed sequences need a batch of 1, and x is {x.Shape}.", x);
        }

        if (packed is not null && packed.Tokens != x.Shape[1])
        {
            throw new TensorException(op, $"cuSeqlens ends at {packed.Tokens}, and x {x.Shape} has {x.Shape[1]} tokens.", x);
        }

        return new TokenSequences(x.Shape[0], x.Shape[1], packed);
    }

    public static void CheckRows(string op, Tensor x)
    {
        if (x.Rank != 3)
        {
            throw new TensorException(op, $"x has to be [B, T, D], and is {x.Shape}.", x);
        }

        OpArguments.Floating(op, x);
    }

    public static void CheckState(string op, Tensor state, TokenSequences sequences, long width, Tensor x) => CheckTensor(
        op, "initialState", state, [sequences.Count, width - 1, x.Shape[2]], sequences.Packed is null ? "[B, W-1, D]" : "[N, W-1, D]", x);

    /// <summary>One sentence if a tensor does not have the shape that x and the width ask for, or not x's type and device.</summary>
    public static void CheckTensor(string op, string name, Tensor tensor, Shape wanted, string letters, Tensor x)
    {
        CheckShape(op, name, tensor, wanted, letters, x);
        if (tensor.DType != x.DType)
        {
            throw new TensorException(
                op, $"{name} has to hold {x.DType.Name()} as x does, and holds {tensor.DType.Name()}.", x, tensor);
        }

        OpArguments.OneDevice(op, x, tensor);
    }

    private static void CheckShape(string op, string name, Tensor tensor, Shape wanted, string letters, Tensor x)
    {
        if (tensor.Shape != wanted)
        {
            throw new TensorException(
                op, $"{name} has to be {letters}, which is {wanted} for x {x.Shape}, and is {tensor.Shape}.", x, tensor);
        }
    }

    /// <summary>Refuses an output that shares an element with an input: the input would change while it is read.</summary>
    public static void CheckApart(string op, Tensor? output, params ReadOnlySpan<(string Name, Tensor? Tensor)> inputs)
    {
        foreach ((string name, Tensor? input) in inputs)
        {
            if (output is not null && input is not null && Overlap.Between(output, input))
            {
                throw new TensorException(op, $"the given output shares elements with {name}; it needs memory of its own.", output, input);
            }
        }
    }

    /// <summary>The destination of the result.</summary>
    public Tensor Result(ShortConvolutionOptions options) => options.Output ?? Tensor.Empty(X.Shape, X.DType, X.Device);

    /// <summary>The same arguments from what the tape has saved.</summary>
    public ConvolutionInputs Restore(BackwardContext g) => new(g.Saved(XInput), Width, Sequences)
    {
        Residual = Residual,
        StaticWeight = g.SavedOrNull(StaticInput),
        InitialState = g.SavedOrNull(StateInput),
        Bias = g.SavedOrNull(BiasInput),
        Activation = Activation,
    };

    /// <summary>
    /// The gradient of the sums over taps, residual and bias, with inner stride 1; that of the bias goes where it belongs.
    /// </summary>
    /// <param name="g">Has the gradient of the result.</param>
    /// <param name="convolve">The forward pass with another end.</param>
    public Tensor GradientOfSums(BackwardContext g, Action<ConvolutionFinish, Tensor> convolve)
    {
        Tensor dy = RowLayout.Of(g.Gradient(0)!);
        Tensor sums = dy;
        if (Activation != ConvolutionActivation.None)
        {
            sums = Tensor.Empty(X.Shape, X.DType, X.Device);
            convolve(new ConvolutionFinish(ConvolutionFinishKind.SiluGradient, Bias, dy), sums);
        }

        using var gradients = new GradientPlaces(g);
        ColumnSums.Into(sums, gradients.Rows(BiasInput, innerDimensions: 1));
        return sums;
    }

    /// <summary>As the CPU kernels see them.</summary>
    public ConvolutionCall Call(Tensor? y, ConvolutionFinish finish = default) => new(X, Width, Sequences, Residual, InitialState, y, finish);
}
