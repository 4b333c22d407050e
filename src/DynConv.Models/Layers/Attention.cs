using System.Text.Json.Nodes;
using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// Settings of causal attention with grouped queries: Llama's with a rotary position embedding, optionally with biases and
/// QK-norm. Linear layers: <c>q k v o</c>.
/// </summary>
public sealed record AttentionConfiguration : MixerConfiguration
{
    /// <summary>The kind's name in files.</summary>
    public const string Name = "attention";

    private const string NoPositions = "nope";

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads; divides <see cref="Heads"/>.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Channels of a head; even with a rotary embedding. Heads times this need not equal the hidden size.</summary>
    public required int HeadDimension { get; init; }

    /// <summary>Whether queries and keys are normalised, each head by itself, before the rotation.</summary>
    public bool QkNorm { get; init; }

    /// <summary>The rotary position embedding; null for none.</summary>
    public RopeConfiguration? Rope { get; init; } = new();

    /// <summary>Whether <c>q</c>, <c>k</c> and <c>v</c> have a bias.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Whether <c>o</c> has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <inheritdoc/>
    public override string Type => Name;

    /// <inheritdoc/>
    public override string ModuleName => "self_attn";

    /// <summary>Channels of all query heads together.</summary>
    public int QuerySize => Heads * HeadDimension;

    /// <summary>Channels of all key heads together.</summary>
    public int KeyValueSize => KeyValueHeads * HeadDimension;

    /// <inheritdoc/>
    public override IReadOnlyList<LinearLayer> LinearLayers(int hiddenSize) =>
    [
        new("q", hiddenSize, QuerySize, QkvBias),
        new("k", hiddenSize, KeyValueSize, QkvBias),
        new("v", hiddenSize, KeyValueSize, QkvBias),
        new("o", QuerySize, hiddenSize, OutputBias),
    ];

    /// <inheritdoc/>
    public override Mixer Create(ParameterFactory factory, ModelConfiguration model) => new CausalSelfAttention(factory, this, model);

    /// <inheritdoc/>
    public override IEnumerable<PartCount> CountParts(int hiddenSize, int context)
    {
        const string Part = "attention";
        foreach (PartCount linear in CountLinear(Part, hiddenSize))
        {
            yield return linear with { Operations = 0 };
            yield return linear with { Part = "attention projections", Parameters = 0 };
        }

        // Scores and mixture: two products over the T/2 tokens that a token looks back on in the mean.
        yield return new PartCount(Part, 0, PartCount.MultiplyAdd * context * QuerySize);
        yield return new PartCount("norms", QkNorm ? 2 * HeadDimension : 0, 0);
    }

    /// <inheritdoc/>
    public override string Describe() => string.Concat(Type, QkNorm ? " QK-norm" : "", Rope is null ? " without positions" : "");

    /// <inheritdoc/>
    public override void Validate(int hiddenSize)
    {
        Require.AtLeastOne("num_attention_heads", Heads);
        Require.AtLeastOne("num_key_value_heads", KeyValueHeads);
        Require.AtLeastOne("head_dim", HeadDimension);
        Require.Channels("num_attention_heads times head_dim", (long)Heads * HeadDimension);
        Require.Divides("num_key_value_heads", KeyValueHeads, "num_attention_heads", Heads);
        if (Rope is not null && HeadDimension % 2 != 0)
        {
            throw new DynConvException($"head_dim is {HeadDimension}; the rotary embedding needs an even number.");
        }

        Rope?.Validate();
    }

    /// <inheritdoc/>
    public override void Write(JsonObject section)
    {
        section["num_attention_heads"] = Heads;
        section["num_key_value_heads"] = KeyValueHeads;
        section["head_dim"] = HeadDimension;
        if (Rope is null)
        {
            section["position_embedding_type"] = NoPositions;
        }

        Rope?.Write(section);
        section["attention_bias"] = QkvBias;
        if (OutputBias != QkvBias)
        {
            section["attention_out_bias"] = OutputBias;
        }

        if (QkNorm)
        {
            section["qk_norm"] = true;
        }
    }

    /// <summary>Reads the keys that Hugging Face's Llama has for attention, and <c>qk_norm</c>.</summary>
    internal static AttentionConfiguration Read(JsonSection section, int hiddenSize) => Read(section, hiddenSize, null, null);

    /// <summary>The same for a format in which a missing key means another number.</summary>
    /// <param name="section">The keys.</param>
    /// <param name="hiddenSize">Channels between layers.</param>
    /// <param name="keyValueHeads">Key and value heads; null for as many as there are query heads.</param>
    /// <param name="headDimension">Channels of a head; null for the hidden size over the number of heads.</param>
    internal static AttentionConfiguration Read(JsonSection section, int hiddenSize, int? keyValueHeads, int? headDimension)
    {
        int heads = section.RequiredInt("num_attention_heads");
        bool bias = section.Bool("attention_bias") ?? false;
        string positions = section.String("position_embedding_type") ?? "rope";
        RopeConfiguration rope = RopeConfiguration.Read(section);
        return new AttentionConfiguration
        {
            Heads = heads,
            KeyValueHeads = section.Int("num_key_value_heads") ?? (section.Keys.Contains("num_key_value_heads") ? null : keyValueHeads) ?? heads,
            HeadDimension = section.Int("head_dim") ?? headDimension ?? (heads >= 1 && hiddenSize % heads == 0
                ? hiddenSize / heads
                : throw new DynConvException($"num_attention_heads {heads} does not divide hidden_size {hiddenSize}, and head_dim is missing.")),
            QkNorm = section.Bool("qk_norm") ?? false,
            Rope = positions switch
            {
                "rope" => rope,
                NoPositions => null,
                _ => throw new DynConvException($"position_embedding_type is '{positions}'; rope and {NoPositions} can be computed."),
            },
            QkvBias = bias,
            OutputBias = section.Bool("attention_out_bias") ?? bias,
        };
    }
}

/// <summary>Causal attention as <see cref="AttentionConfiguration"/> describes it.</summary>
internal sealed class CausalSelfAttention : Mixer
{
    private readonly AttentionConfiguration _configuration;
    private readonly float _normEpsilon;
    private readonly RopeTable? _rope;
    private readonly Device _device;
    private readonly DType _computeType;
    private readonly ConvolvedLinear _input;
    private readonly ConvolvedLinear _output;
    private readonly Parameter? _queryNorm;
    private readonly Parameter? _keyNorm;

    public CausalSelfAttention(ParameterFactory factory, AttentionConfiguration configuration, ModelConfiguration model)
    {
        _configuration = configuration;
        _normEpsilon = (float)model.NormEpsilon;
        _rope = configuration.Rope is { } rope ? factory.Rope(rope, configuration.HeadDimension) : null;
        _device = factory.Device;
        _computeType = factory.ComputeType;
        _input = Add("", new ConvolvedLinear(factory, configuration.Convolved(model.HiddenSize, "q", "k", "v"), writesResidual: false));
        _output = Add("", new ConvolvedLinear(factory, configuration.Convolved(model.HiddenSize, "o"), writesResidual: true));
        if (configuration.QkNorm)
        {
            _queryNorm = Add("q_norm.weight", factory.NormScale(configuration.HeadDimension));
            _keyNorm = Add("k_norm.weight", factory.NormScale(configuration.HeadDimension));
        }
    }

    public override Tensor Forward(Tensor x, MixerContext context)
    {
        using var scope = new TensorScope();
        var cache = (State?)context.State;
        Tensor[] qkv = _input.Forward(x, context.Packed, cache?.Input);
        Tensor q = Heads(qkv[0], _configuration.Heads);
        Tensor k = Heads(qkv[1], _configuration.KeyValueHeads);
        Tensor v = Heads(qkv[2], _configuration.KeyValueHeads);
        RotaryPositions? rotary = _rope is null ? null : new(_rope, context.Positions);
        if (_queryNorm is not null && _keyNorm is not null)
        {
            (q, k) = rotary is null
                ? (RmsNormalization.Apply(q, _queryNorm, _normEpsilon), RmsNormalization.Apply(k, _keyNorm, _normEpsilon))
                : QkNorm.Apply(q, k, _queryNorm, _keyNorm, _normEpsilon, rotary);
            rotary = null;
        }

        if (cache is not null)
        {
            // Keys are kept as queries of later tokens see them.
            if (rotary is not null)
            {
                (q, k) = Rope.Apply(q, k, rotary.Table, rotary.Positions);
                rotary = null;
            }

            (k, v) = cache.Append(k, v, context.Positions);
        }

        Tensor mixed = Attention.Causal(q, k, v, new AttentionOptions { Packed = context.Packed, Rotary = rotary });
        Tensor joined = mixed.Reshape(x.Shape[0], x.Shape[1], _configuration.QuerySize);
        return scope.Keep(_output.Forward(joined, context.Packed, cache?.Output)[0]);
    }

    public override IMixerState CreateState(long batch, long maxTokens)
    {
        Shape shape = [batch, maxTokens, _configuration.KeyValueHeads, _configuration.HeadDimension];
        return new State(Cache(), Cache(), _input.CreateState(batch), _output.CreateState(batch));

        Tensor Cache() => TensorScope.Release(Tensor.Empty(shape, _computeType, _device));
    }

    private sealed record State(Tensor Keys, Tensor Values, ConvolvedLinearState Input, ConvolvedLinearState Output) : IMixerState
    {
        public (Tensor Keys, Tensor Values) Append(Tensor k, Tensor v, TokenPositions positions)
        {
            long first = positions.Common
                ?? throw new DynConvException("Sequences side by side in one cache of keys and values have to be equally long.");
            Keys.Slice(1, first, positions.Tokens).CopyFrom(k);
            Values.Slice(1, first, positions.Tokens).CopyFrom(v);
            return (Keys.Slice(1, 0, positions.End), Values.Slice(1, 0, positions.End));
        }

        public void Dispose()
        {
            Keys.Dispose();
            Values.Dispose();
            Input.Dispose();
            Output.Dispose();
        }
    }
}
