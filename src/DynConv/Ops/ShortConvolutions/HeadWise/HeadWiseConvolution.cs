namespace DynConv.Ops;

/// <summary>
/// The head-wise dynamic short convolution: every token has a filter for each head of D / H consecutive channels,
/// <c>y[b,t,d] = Σ_w (k[b,t,d/(D/H),w] + s[w,d]) · x[b,t-w,d]</c>.
/// </summary>
/// <inheritdoc cref="StaticConvolution" path="/remarks"/>
public static partial class HeadWiseConvolution
{
    internal const string Op = "head_wise_convolution";
    private const int WeightInput = ConvolutionInputs.OwnInput;

    /// <summary>Convolves.</summary>
    /// <param name="x">Input, <c>[B, T, D]</c>.</param>
    /// <param name="weight">
    /// The filters k, <c>[B, T, H, W]</c>: H divides D, W is from 1 to 16. H and W have to be contiguous, as they are
    /// in columns of a projection <c>[B, T, …]</c>, or cost a copy.
    /// </param>
    /// <param name="staticWeight">The static weight s, <c>[W, D]</c>, if there is one.</param>
    /// <param name="options">Residual, state, packing and destination.</param>
    /// <returns>y, <c>[B, T, D]</c>; differentiable in x, both filters and the initial state.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Apply(
        Tensor x, Tensor weight, Tensor? staticWeight = null, ShortConvolutionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        options ??= ShortConvolutionOptions.Default;
        using var scope = new TensorScope();
        ConvolutionInputs.CheckRows(Op, x);
        if (weight.Rank != 4)
        {
            throw new TensorException(Op, $"weight has to be [B, T, H, W], and is {weight.Shape}.", x, weight);
        }

        ConvolutionInputs inputs = ConvolutionInputs.Create(Op, x, weight.Shape[3], staticWeight, options);
        CheckWeight(x, weight);
        ConvolutionInputs.CheckApart(Op, options.Output, ("weight", weight));
        Tensor filters = RowLayout.Of(weight, innerDimensions: 2);
        Tensor y = inputs.Result(options);
        Forward(inputs, filters, inputs.Finish, y);
        Tensor?[] operands = [.. inputs.Operands, filters];
        return scope.Keep(Tape.Record(Op, y, operands, operands, g => Backward(inputs.Restore(g), g.Saved(WeightInput), g)));
    }

    /// <summary>Convolves, and returns the state that the next part of each sequence starts from.</summary>
    /// <inheritdoc cref="Apply" path="/param"/>
    /// <returns>y, and the final state <c>[B, W-1, D]</c> or <c>[N, W-1, D]</c> as <see cref="ConvolutionState.Final"/> defines it.</returns>
    public static (Tensor Y, Tensor FinalState) ApplyWithState(
        Tensor x, Tensor weight, Tensor? staticWeight = null, ShortConvolutionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        Tensor y = Apply(x, weight, staticWeight, options);
        return (y, ConvolutionState.Final(x, weight.Shape[3], options));
    }

    /// <summary>Convolves one more token of each sequence and moves the state on; records no gradient.</summary>
    /// <param name="x">The token, <c>[B, D]</c>.</param>
    /// <param name="weight">Its filters k, <c>[B, H, W]</c>.</param>
    /// <param name="staticWeight">The static weight s, <c>[W, D]</c>, if there is one.</param>
    /// <param name="state">The last W - 1 inputs, <c>[B, W-1, D]</c>, oldest first; x takes the newest place.</param>
    /// <param name="residual">Whether x is added to the result.</param>
    /// <param name="bias">Added to the sums, float32 <c>[D]</c>; none if not given.</param>
    /// <param name="activation">Applied to the sums.</param>
    /// <returns>y, <c>[B, D]</c>: bit for bit what <see cref="Apply"/> gives for that token.</returns>
    public static Tensor Step(
        Tensor x, Tensor weight, Tensor? staticWeight, Tensor state,
        bool residual = false,
        Tensor? bias = null,
        ConvolutionActivation activation = ConvolutionActivation.None)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentNullException.ThrowIfNull(state);
        using var scope = new TensorScope();
        return scope.Keep(ConvolutionStep.Run(ConvolutionStep.HeadWise(x, weight, staticWeight, state, residual, bias, activation))[0]);
    }

    private static void Forward(ConvolutionInputs inputs, Tensor weight, ConvolutionFinish finish, Tensor y)
    {
        if (y.Device.IsCuda)
        {
            ForwardCuda(inputs, weight, finish, y);
        }
        else
        {
            ForwardCpu(inputs, weight, finish, y);
        }
    }

    private static void Backward(ConvolutionInputs inputs, Tensor weight, BackwardContext g)
    {
        Tensor dy = inputs.GradientOfSums(g, (finish, to) => Forward(inputs, weight, finish, to));
        if (weight.Device.IsCuda)
        {
            BackwardCuda(inputs, weight, dy, g, WeightInput);
        }
        else
        {
            BackwardCpu(inputs, weight, dy, g);
        }
    }

    internal static void CheckWeight(Tensor x, Tensor weight)
    {
        long heads = weight.Shape[2];
        long channels = x.Shape[2];
        if (heads < 1 || channels % heads != 0)
        {
            throw new TensorException(Op, $"{heads} heads do not divide the {channels} channels of x {x.Shape}.", x, weight);
        }

        ConvolutionInputs.CheckTensor(
            Op, "weight", weight, [x.Shape[0], x.Shape[1], heads, weight.Shape[3]], "[B, T, H, W]", x);
    }
}
