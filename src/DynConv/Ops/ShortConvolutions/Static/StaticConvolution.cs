namespace DynConv.Ops;

/// <summary>
/// The static short convolution: every channel has one filter for all tokens,
/// <c>y[b,t,d] = Σ_w s[w,d] · x[b,t-w,d]</c>.
/// </summary>
/// <remarks>
/// Tap 0 is the current token. What lies before a sequence is zero, or its initial state. Tensors are float32, on CUDA
/// also bfloat16; learned filters may be float32 beside inputs of bfloat16. x, the result and their gradients may have
/// any strides but the innermost, which is 1 or costs a copy.
/// </remarks>
public static partial class StaticConvolution
{
    internal const string Op = "static_convolution";

    /// <summary>Convolves.</summary>
    /// <param name="x">Input, <c>[B, T, D]</c>.</param>
    /// <param name="staticWeight">The filters s, <c>[W, D]</c> with W from 1 to 16.</param>
    /// <param name="options">Residual, state, packing and destination.</param>
    /// <returns>y, <c>[B, T, D]</c>; differentiable in x, the filters and the initial state.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Apply(Tensor x, Tensor staticWeight, ShortConvolutionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(staticWeight);
        options ??= ShortConvolutionOptions.Default;
        using var scope = new TensorScope();
        ConvolutionInputs inputs = ConvolutionInputs.Create(Op, x, Width(x, staticWeight), staticWeight, options);
        Tensor y = inputs.Result(options);
        Forward(inputs, inputs.Finish, y);
        Tensor?[] operands = inputs.Operands;
        return scope.Keep(Tape.Record(Op, y, operands, operands, g => Backward(inputs.Restore(g), g)));
    }

    /// <summary>Convolves, and returns the state that the next part of each sequence starts from.</summary>
    /// <inheritdoc cref="Apply" path="/param"/>
    /// <returns>y, and the final state <c>[B, W-1, D]</c> or <c>[N, W-1, D]</c> as <see cref="ConvolutionState.Final"/> defines it.</returns>
    public static (Tensor Y, Tensor FinalState) ApplyWithState(
        Tensor x, Tensor staticWeight, ShortConvolutionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(staticWeight);
        Tensor y = Apply(x, staticWeight, options);
        return (y, ConvolutionState.Final(x, staticWeight.Shape[0], options));
    }

    /// <summary>Convolves one more token of each sequence and moves the state on; records no gradient.</summary>
    /// <param name="x">The token, <c>[B, D]</c>.</param>
    /// <param name="staticWeight">The filters s, <c>[W, D]</c>.</param>
    /// <param name="state">The last W - 1 inputs, <c>[B, W-1, D]</c>, oldest first; x takes the newest place.</param>
    /// <param name="residual">Whether x is added to the result.</param>
    /// <param name="bias">Added to the sums, float32 <c>[D]</c>; none if not given.</param>
    /// <param name="activation">Applied to the sums.</param>
    /// <returns>y, <c>[B, D]</c>: bit for bit what <see cref="Apply"/> gives for that token.</returns>
    public static Tensor Step(
        Tensor x, Tensor staticWeight, Tensor state,
        bool residual = false,
        Tensor? bias = null,
        ConvolutionActivation activation = ConvolutionActivation.None)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(staticWeight);
        ArgumentNullException.ThrowIfNull(state);
        using var scope = new TensorScope();
        return scope.Keep(ConvolutionStep.Run(ConvolutionStep.Static(x, staticWeight, state, residual, bias, activation))[0]);
    }

    internal static long Width(Tensor x, Tensor staticWeight) => staticWeight.Rank == 2
        ? staticWeight.Shape[0]
        : throw new TensorException(Op, $"staticWeight has to be [W, D], and is {staticWeight.Shape}.", x, staticWeight);

    private static void Forward(ConvolutionInputs inputs, ConvolutionFinish finish, Tensor y)
    {
        if (y.Device.IsCuda)
        {
            HeadWiseConvolution.ForwardCuda(inputs, weight: null, finish, y);
        }
        else
        {
            ForwardCpu(inputs, finish, y);
        }
    }

    private static void Backward(ConvolutionInputs inputs, BackwardContext g)
    {
        Tensor dy = inputs.GradientOfSums(g, (finish, to) => Forward(inputs, finish, to));
        if (dy.Device.IsCuda)
        {
            HeadWiseConvolution.BackwardCuda(inputs, weight: null, dy, g, ConvolutionInputs.OwnInput);
        }
        else
        {
            BackwardCpu(inputs, dy, g);
        }
    }
}
