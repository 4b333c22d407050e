namespace DynConv.Models.Layers;

/// <summary>What a mixer with a recurrence keeps of earlier tokens: its convolutions' last inputs and the recurrence's state.</summary>
internal sealed class RecurrentState(Tensor memory, ConvolvedLinearState input, ConvolvedLinearState output) : IMixerState
{
    /// <summary>The state of the recurrence, float32.</summary>
    public Tensor Memory { get; private set; } = TensorScope.Release(memory);

    public ConvolvedLinearState Input { get; } = input;

    public ConvolvedLinearState Output { get; } = output;

    /// <summary>Takes over the state after the latest token.</summary>
    public void Advance(Tensor memory)
    {
        Memory.Dispose();
        Memory = TensorScope.Release(memory);
    }

    public void Dispose()
    {
        Memory.Dispose();
        Input.Dispose();
        Output.Dispose();
    }
}
