using DynConv.Modules;

namespace DynConv.Models.Layers;

/// <summary>
/// One layer of a pre-norm language model: <c>x + sequenceMixer(norm(x))</c>, then <c>x + channelMixer(norm(x))</c> if it has
/// one.
/// </summary>
internal sealed class Layer : Module
{
    private readonly Half _sequence;
    private readonly Half? _channel;

    public Layer(ParameterFactory factory, LayerConfiguration configuration, ModelConfiguration model)
    {
        _sequence = Create("input_layernorm", configuration.Sequence);
        _channel = configuration.Channel is { } channel ? Create("post_attention_layernorm", channel) : null;

        Half Create(string normName, MixerConfiguration settings)
        {
            Parameter norm = Add($"{normName}.weight", factory.NormScale(model.HiddenSize));
            ParameterFactory inside = factory.Inside(settings.ModuleName);
            Mixer mixer = Add(settings.ModuleName, settings.Create(inside, model));
            return new Half(norm, mixer, (float)model.NormEpsilon, inside.Prefix.TrimEnd('.'));
        }
    }

    public ResidualStream Forward(ResidualStream x, MixerContext context, LayerState? state)
    {
        using var scope = new TensorScope();
        ResidualStream mixed = _sequence.Forward(x, context.With(state?.Sequence));
        return (_channel?.Forward(mixed, context.With(state?.Channel)) ?? mixed).KeptBy(scope);
    }

    public LayerState CreateState(long batch, long maxTokens) =>
        new(_sequence.Mixer.CreateState(batch, maxTokens), _channel?.Mixer.CreateState(batch, maxTokens));

    private sealed record Half(Parameter Norm, Mixer Mixer, float Epsilon, string Place)
    {
        public ResidualStream Forward(ResidualStream x, MixerContext context)
        {
            using FiniteCheck.PlaceGuard place = FiniteCheck.Enter(Place);
            (Tensor sum, Tensor normed) = x.Normed(Norm, Epsilon);
            return new(sum, Mixer.Forward(normed, context));
        }
    }
}

/// <summary>What a <see cref="Layer"/>'s mixers keep of earlier tokens.</summary>
internal sealed record LayerState(IMixerState Sequence, IMixerState? Channel) : IDisposable
{
    public void Dispose()
    {
        Sequence.Dispose();
        Channel?.Dispose();
    }
}
