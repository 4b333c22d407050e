using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// One layer of a pre-norm language model: <c>x + sequenceMixer(norm(x))</c>, then <c>x + channelMixer(norm(x))</c>.
/// </summary>
internal sealed class Block : Module
{
    private readonly Half _sequence;
    private readonly Half _channel;

    public Block(ParameterFactory factory, ModelConfiguration configuration, RopeTable rope)
    {
        float epsilon = (float)configuration.NormEpsilon;
        Parameter norm = Add("input_layernorm.weight", factory.NormScale(configuration.HiddenSize));
        Mixer attention = Add("self_attn", new CausalSelfAttention(factory.Inside("self_attn"), configuration, rope));
        _sequence = new Half(norm, attention, epsilon, factory.Prefix + "self_attn");
        norm = Add("post_attention_layernorm.weight", factory.NormScale(configuration.HiddenSize));
        Mixer feedForward = Add("mlp", new FeedForward(factory.Inside("mlp"), configuration));
        _channel = new Half(norm, feedForward, epsilon, factory.Prefix + "mlp");
    }

    public Tensor Forward(Tensor x, BlockState? state)
    {
        using var scope = new TensorScope();
        return scope.Keep(_channel.Forward(_sequence.Forward(x, state?.Sequence), state?.Channel));
    }

    public BlockState CreateState(long batch, long maxTokens) =>
        new(_sequence.Mixer.CreateState(batch, maxTokens), _channel.Mixer.CreateState(batch, maxTokens));

    private sealed record Half(Parameter Norm, Mixer Mixer, float Epsilon, string Place)
    {
        public Tensor Forward(Tensor x, IMixerState? state)
        {
            using FiniteCheck.PlaceGuard place = FiniteCheck.Enter(Place);
            return Elementwise.Add(x, Mixer.Forward(RmsNorm.Apply(x, Norm, Epsilon), state));
        }
    }
}

/// <summary>What a <see cref="Block"/>'s mixers keep of earlier tokens.</summary>
internal sealed record BlockState(IMixerState Sequence, IMixerState Channel) : IDisposable
{
    public void Dispose()
    {
        Sequence.Dispose();
        Channel.Dispose();
    }
}
