namespace DynConv.Ops;

/// <summary>The state of short convolutions: the last W - 1 inputs of each sequence.</summary>
public static partial class ConvolutionState
{
    private const string Op = "convolution_state";
    private const int XInput = 0;
    private const int StateInput = 1;

    /// <summary>
    /// The last W - 1 inputs of each sequence, oldest first. A sequence that is shorter keeps the end of its initial
    /// state, or zeros, in front.
    /// </summary>
    /// <param name="x">Input, <c>[B, T, D]</c>.</param>
    /// <param name="width">W, from 1 to 16.</param>
    /// <param name="options">Initial state and packing, if any.</param>
    /// <returns><c>[B, W-1, D]</c>, or <c>[N, W-1, D]</c> for N packed sequences; differentiable in x and the initial state.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Final(Tensor x, long width, ShortConvolutionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        options ??= ShortConvolutionOptions.Default;
        using var scope = new TensorScope();
        ConvolutionInputs inputs = ConvolutionInputs.Create(Op, x, width, null, options with { Output = null });
        Tensor final = Tensor.Empty([inputs.Sequences.Count, width - 1, inputs.Channels], x.DType, x.Device);
        if (x.Device.IsCuda)
        {
            FinalCuda(inputs, final);
        }
        else
        {
            FinalCpu(inputs, final);
        }

        return scope.Keep(Tape.Record(Op, final, [inputs.X, inputs.InitialState], [], g => FinalGradient(inputs, g)));
    }

    private static void FinalGradient(ConvolutionInputs inputs, BackwardContext g)
    {
        using var gradients = new GradientPlaces(g);
        GradientRows x = gradients.Rows(XInput, innerDimensions: 1);
        GradientRows state = gradients.Rows(StateInput, innerDimensions: 1);
        x.ClearUndefined();
        state.ClearUndefined();
        Tensor dFinal = RowLayout.Of(g.Gradient(0)!);
        if (dFinal.Device.IsCuda)
        {
            FinalBackwardCuda(inputs, dFinal, x.Tensor, state.Tensor);
        }
        else
        {
            FinalBackwardCpu(inputs, dFinal, x.Tensor, state.Tensor);
        }
    }
}
