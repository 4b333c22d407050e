using System.Text.Json.Nodes;
using DynConv.Models.Layers;
using DynConv.Modules;

namespace DynConv.Models.HuggingFace;

/// <summary>
/// Gated DeltaNet as flash-linear-attention has it, with attention in place of it in some layers if its <c>attn</c> says so.
/// </summary>
internal sealed class GatedDeltaNetFormat : ModelFormat
{
    private const string AttentionKey = "attn";
    private const string WidthKey = "conv_size";
    private const string HasConvolutionKey = "use_short_conv";
    private const string ExpandKey = "expand_v";
    private const string EpsilonKey = "norm_eps";
    private const string LayerPrefix = "model.layers.";

    public override string ModelType => "gated_deltanet";

    public override string Architecture => "GatedDeltaNetForCausalLM";

    public override bool CanWrite(ModelConfiguration model) =>
        Uniform(model) is { Delta: { GateFirst: false } delta, FeedForward.Bias: false } layers
        && delta.ValueDimension == ExpandedBy(delta.KeyDimension, (double)delta.ValueDimension / delta.KeyDimension)
        && WidthOf(delta) is not null
        && (layers.Attention is null || IsPlain(layers.Attention, model.HiddenSize));

    public override ModelConfiguration Read(JsonSection root, MixerKinds mixers)
    {
        root.RequireText("hidden_act", "swish");
        int hidden = root.RequiredInt("hidden_size");
        int count = root.RequiredInt("num_hidden_layers");
        int heads = root.Int("num_heads") ?? 6;
        int dimension = root.Int("head_dim") ?? 256;
        var delta = new GatedDeltaNetConfiguration
        {
            Heads = heads,
            ValueHeads = root.Int("num_v_heads") ?? heads,
            KeyDimension = dimension,
            ValueDimension = ExpandedBy(dimension, root.Double(ExpandKey) ?? 2),
            Gate = root.Bool("use_gate") ?? true,
            NegativeEigenvalues = root.Bool("allow_neg_eigval") ?? false,
            Convolutions = root.Bool(HasConvolutionKey) ?? true
                ? [.. "qkv".Select(layer => new PlacedConvolution($"{layer}", Mamba2Format.StaticConvolution(root.Int(WidthKey))))]
                : [],
        };
        (AttentionConfiguration? attention, IReadOnlyList<int> places) =
            root.Section(AttentionKey) is { } section ? ReadAttention(section, hidden) : (null, []);
        var feedForward = new FeedForwardConfiguration
        {
            IntermediateSize = root.Int("intermediate_size") ?? UsualIntermediateSize(hidden, root.Double("hidden_ratio") ?? 4),
        };
        Require.LayerCount(count);
        return ReadCommon(
            root,
            [.. Enumerable.Range(0, count).Select(i => new LayerConfiguration(places.Contains(i) ? attention! : delta, feedForward))]) with
        {
            NormEpsilon = root.Double(EpsilonKey) ?? 1e-6,
        };
    }

    public override void Write(ModelConfiguration model, JsonObject root)
    {
        (GatedDeltaNetConfiguration delta, AttentionConfiguration? attention, FeedForwardConfiguration feedForward) = Uniform(model)!.Value;
        int width = WidthOf(delta)!.Value;
        root["num_heads"] = delta.Heads;
        root["num_v_heads"] = delta.ValueHeads;
        root["head_dim"] = delta.KeyDimension;
        root[ExpandKey] = (double)delta.ValueDimension / delta.KeyDimension;
        root["use_gate"] = delta.Gate;
        root["allow_neg_eigval"] = delta.NegativeEigenvalues;
        root[HasConvolutionKey] = width > 0;
        root[WidthKey] = Math.Max(1, width);
        root["intermediate_size"] = feedForward.IntermediateSize;
        root["hidden_act"] = "swish";
        root[EpsilonKey] = model.NormEpsilon;
        root.Remove("rms_norm_eps");
        root[AttentionKey] = attention is null ? null : new JsonObject
        {
            ["layers"] = new JsonArray(
                [.. Enumerable.Range(0, model.Layers.Count).Where(i => model.Layers[i].Sequence is AttentionConfiguration).Select(i => (JsonNode)i)]),
            ["num_heads"] = attention.Heads,
            ["num_kv_heads"] = attention.KeyValueHeads,
            ["qkv_bias"] = attention.QkvBias,
            ["window_size"] = null,
            ["rope_theta"] = attention.Rope!.Theta,
        };
    }

    public override StoredPlace PlaceOf(string parameter)
    {
        if (!parameter.StartsWith(LayerPrefix, StringComparison.Ordinal))
        {
            return new(parameter == "model.embed_tokens.weight" ? "model.embeddings.weight" : parameter);
        }

        string[] parts = parameter.Split('.', 5);
        string layer = string.Join('.', parts[..3]);
        return parts[3] switch
        {
            "input_layernorm" => new($"{layer}.attn_norm.weight"),
            "post_attention_layernorm" => new($"{layer}.mlp_norm.weight"),
            "linear_attn" => PlaceOfMixer($"{layer}.attn.", parts[4]),
            "self_attn" => new($"{layer}.attn.{parts[4]}"),
            _ => new(parameter),
        };
    }

    /// <summary>Where the parameters of one mixer are kept.</summary>
    /// <param name="prefix">What the names of its tensors begin with.</param>
    /// <param name="parameter">The parameter's name inside the mixer.</param>
    private static StoredPlace PlaceOfMixer(string prefix, string parameter) => parameter.Split('_') is [var layer, "conv.static", "weight"]
        ? new($"{prefix}{layer}_conv1d.weight") { IsConvolution = true }
        : new(prefix + parameter);

    private static (AttentionConfiguration Attention, IReadOnlyList<int> Places) ReadAttention(JsonSection section, int hidden)
    {
        int heads = section.RequiredInt("num_heads");
        Require.AtLeastOne("attn.num_heads", heads);
        if (section.Int("window_size") is { } window)
        {
            throw new DynConvException($"attn.window_size is {window}; only attention to all earlier tokens is computed here.");
        }

        var attention = new AttentionConfiguration
        {
            Heads = heads,
            KeyValueHeads = section.Int("num_kv_heads") ?? heads,
            HeadDimension = hidden % heads == 0
                ? hidden / heads
                : throw new DynConvException($"attn.num_heads {heads} does not divide hidden_size {hidden}."),
            QkvBias = section.Bool("qkv_bias") ?? false,
            Rope = new RopeConfiguration { Theta = section.Double("rope_theta") ?? 10_000 },
        };
        return (attention, section.IntOrInts("layers") ?? throw new DynConvException("attn.layers is missing."));
    }

    /// <summary>The settings of all layers of each kind; null where they differ, or are of other kinds.</summary>
    private static (GatedDeltaNetConfiguration Delta, AttentionConfiguration? Attention, FeedForwardConfiguration FeedForward)? Uniform(
        ModelConfiguration model)
    {
        MixerConfiguration[] sequence = [.. model.Layers.Select(layer => layer.Sequence).Distinct()];
        GatedDeltaNetConfiguration[] delta = [.. sequence.OfType<GatedDeltaNetConfiguration>()];
        AttentionConfiguration[] attention = [.. sequence.OfType<AttentionConfiguration>()];
        return delta.Length == 1 && attention.Length <= 1 && sequence.Length == 1 + attention.Length
            && model.Layers.Select(layer => layer.Channel).Distinct().ToArray() is [FeedForwardConfiguration { Convolutions.Count: 0 } feedForward]
            ? (delta[0], attention.FirstOrDefault(), feedForward)
            : null;
    }

    private static bool IsPlain(AttentionConfiguration attention, int hidden) =>
        attention is { QkNorm: false, OutputBias: false, Rope: { Scaling: null }, Convolutions.Count: 0 } && attention.QuerySize == hidden;

    /// <summary>Taps of the convolutions, 0 where there are none; null where the format has no words for them.</summary>
    private static int? WidthOf(GatedDeltaNetConfiguration delta)
    {
        if (delta.Convolutions.Count == 0)
        {
            return 0;
        }

        ShortConvolutionConfiguration[] kinds = [.. delta.Convolutions.Select(placed => placed.Convolution).Distinct()];
        return kinds is [{ Kind: ShortConvolutionKind.Static, Residual: false } convolution]
            && delta.Convolutions.Select(placed => placed.Layer).Order(StringComparer.Ordinal).SequenceEqual(["k", "q", "v"])
            ? convolution.Width
            : null;
    }

    private static int ExpandedBy(int dimension, double factor) => (int)Math.Min(int.MaxValue, Math.Max(0, dimension * factor));

    // Two thirds of so many times the hidden size, as a multiple of 256.
    private static int UsualIntermediateSize(int hidden, double ratio)
    {
        const int Multiple = 256;
        long size = (long)Math.Min(int.MaxValue / 2, Math.Max(0, hidden * ratio * 2 / 3));
        return (int)((size + Multiple - 1) / Multiple * Multiple);
    }
}
