using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// Llama's feed-forward layer, <c>down(silu(gate(x)) * up(x))</c>, optionally with short convolutions on
/// <c>gate up down</c>.
/// </summary>
internal sealed class FeedForward : Mixer
{
    private readonly ConvolvedLinear _input;
    private readonly ConvolvedLinear _output;

    public FeedForward(ParameterFactory factory, ModelConfiguration configuration)
    {
        _input = Add("", new ConvolvedLinear(factory, configuration, configuration.HiddenSize, ["gate", "up"], writesResidual: false));
        _output = Add("", new ConvolvedLinear(factory, configuration, configuration.IntermediateSize, ["down"], writesResidual: true));
    }

    public override Tensor Forward(Tensor x, IMixerState? state)
    {
        using var scope = new TensorScope();
        var cache = (State?)state;
        Tensor[] gateUp = _input.Forward(x, cache?.Input);
        Tensor activated = SwiGlu.Apply(gateUp[0], gateUp[1]);
        return scope.Keep(_output.Forward(activated, cache?.Output)[0]);
    }

    public override IMixerState CreateState(long batch, long maxTokens) =>
        new State(_input.CreateState(batch), _output.CreateState(batch));

    private sealed record State(ConvolutionStates Input, ConvolutionStates Output) : IMixerState
    {
        public void Dispose()
        {
            Input.Dispose();
            Output.Dispose();
        }
    }
}
