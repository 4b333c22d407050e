using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>The last inputs of some convolutions, <c>[B, W-1, D]</c> each; null where there is none.</summary>
internal sealed class ConvolutionStates(Tensor?[] states) : IMixerState
{
    /// <summary>Convolves the next tokens, one or many, and moves the state on.</summary>
    public Tensor Advance(int index, ShortConvolution convolution, Tensor x, Tensor? features)
    {
        Tensor state = states[index]!;
        if (x.Shape[1] == 1)
        {
            Tensor step = convolution.Step(WithoutTime(x), features is null ? null : WithoutTime(features), state);
            return step.Reshape(x.Shape.Dimensions);
        }

        (Tensor y, Tensor final) = convolution.ApplyWithState(
            x, features, new ShortConvolutionOptions { InitialState = state });
        states[index] = TensorScope.Release(final);
        state.Dispose();
        return y;
    }

    public void Dispose()
    {
        foreach (Tensor? state in states)
        {
            state?.Dispose();
        }
    }

    private static Tensor WithoutTime(Tensor x) => x.Reshape(x.Shape[0], x.Shape[2]);
}
