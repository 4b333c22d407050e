using System.Text.Json.Nodes;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// Settings of Llama's feed-forward layer, <c>down(silu(gate(x)) * up(x))</c>. Linear layers: <c>gate up down</c>.
/// </summary>
public sealed record FeedForwardConfiguration : MixerConfiguration
{
    /// <summary>The kind's name in files.</summary>
    public const string Name = "feed_forward";

    /// <summary>Channels inside the layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Whether the linear layers have a bias.</summary>
    public bool Bias { get; init; }

    /// <inheritdoc/>
    public override string Type => Name;

    /// <inheritdoc/>
    public override string ModuleName => "mlp";

    /// <inheritdoc/>
    public override IReadOnlyList<LinearLayer> LinearLayers(int hiddenSize) =>
    [
        new("gate", hiddenSize, IntermediateSize, Bias),
        new("up", hiddenSize, IntermediateSize, Bias),
        new("down", IntermediateSize, hiddenSize, Bias),
    ];

    /// <inheritdoc/>
    public override Mixer Create(ParameterFactory factory, ModelConfiguration model) => new FeedForward(factory, this, model);

    /// <inheritdoc/>
    public override IEnumerable<PartCount> CountParts(int hiddenSize, int context) => CountLinear("feed-forward", hiddenSize);

    /// <inheritdoc/>
    public override void Validate(int hiddenSize) => Require.Channels("intermediate_size", IntermediateSize);

    /// <inheritdoc/>
    public override void Write(JsonObject section)
    {
        section["intermediate_size"] = IntermediateSize;
        section["hidden_act"] = "silu";
        section["mlp_bias"] = Bias;
    }

    /// <summary>Reads the keys that Hugging Face's Llama has for the feed-forward layer.</summary>
    internal static FeedForwardConfiguration Read(JsonSection section, int hiddenSize)
    {
        section.RequireText("hidden_act", "silu");
        return new FeedForwardConfiguration
        {
            IntermediateSize = section.RequiredInt("intermediate_size"),
            Bias = section.Bool("mlp_bias") ?? false,
        };
    }
}

/// <summary>The feed-forward layer as <see cref="FeedForwardConfiguration"/> describes it.</summary>
internal sealed class FeedForward : Mixer
{
    private readonly ConvolvedLinear _input;
    private readonly ConvolvedLinear _output;

    public FeedForward(ParameterFactory factory, FeedForwardConfiguration configuration, ModelConfiguration model)
    {
        _input = Add("", new ConvolvedLinear(factory, configuration.Convolved(model.HiddenSize, "gate", "up"), writesResidual: false));
        _output = Add("", new ConvolvedLinear(factory, configuration.Convolved(model.HiddenSize, "down"), writesResidual: true));
    }

    public override Tensor Forward(Tensor x, MixerContext context)
    {
        using var scope = new TensorScope();
        var cache = (State?)context.State;
        Tensor[] gateUp = _input.Forward(x, context.Packed, cache?.Input);
        Tensor activated = SwiGlu.Apply(gateUp[0], gateUp[1]);
        return scope.Keep(_output.Forward(activated, context.Packed, cache?.Output)[0]);
    }

    public override IMixerState CreateState(long batch, long maxTokens) =>
        new State(_input.CreateState(batch), _output.CreateState(batch));

    private sealed record State(ConvolvedLinearState Input, ConvolvedLinearState Output) : IMixerState
    {
        public void Dispose()
        {
            Input.Dispose();
            Output.Dispose();
        }
    }
}
