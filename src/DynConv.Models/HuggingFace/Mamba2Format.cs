using System.Text.Json.Nodes;
using DynConv.Models.Layers;
using DynConv.Modules;

namespace DynConv.Models.HuggingFace;

/// <summary>Mamba-2 as transformers has it: layers without channel mixers, all alike, whose input projection is one tensor.</summary>
internal sealed class Mamba2Format : ModelFormat
{
    private const string ExpandKey = "expand";
    private const string WidthKey = "conv_kernel";
    private const string EpsilonKey = "layer_norm_epsilon";
    private const string StepLimitKey = "time_step_limit";
    private const string NormKey = "rms_norm";
    private const string LayerPrefix = "model.layers.";

    public override string ModelType => "mamba2";

    public override string Architecture => "Mamba2ForCausalLM";

    // A recurrence knows no positions.
    protected override int UsualMaxPositions => 1 << 20;

    /// <remarks>transformers makes the inner channels by a whole factor of the hidden size.</remarks>
    public override bool CanWrite(ModelConfiguration model) =>
        model.Layers.Distinct().ToArray() is [{ Sequence: Mamba2Configuration mamba, Channel: null }]
        && mamba.InnerSize % model.HiddenSize == 0
        && mamba.Convolutions is [{ Layer: "xbc", Convolution: { Kind: ShortConvolutionKind.Static, Residual: false } }];

    public override ModelConfiguration Read(JsonSection root, MixerKinds mixers)
    {
        root.RequireText("hidden_act", "silu");
        CheckComputed(root);
        int hidden = root.RequiredInt("hidden_size");
        int heads = root.Int("num_heads") ?? 128;
        int dimension = root.Int("head_dim") ?? 64;
        if (root.Int(ExpandKey) is { } expand && (long)expand * hidden != (long)heads * dimension)
        {
            throw new DynConvException($"{ExpandKey} {expand} times hidden_size {hidden} is not num_heads {heads} times head_dim {dimension}.");
        }

        var mamba = new Mamba2Configuration
        {
            Heads = heads,
            HeadDimension = dimension,
            StateSize = root.Int("state_size") ?? 128,
            Groups = root.Int("n_groups") ?? 8,
            Bias = root.Bool("use_bias") ?? false,
            ConvolutionBias = root.Bool("use_conv_bias") ?? true,
            Convolutions = [new("xbc", StaticConvolution(root.Int(WidthKey)))],
        };
        return ReadCommon(root, LayerConfiguration.Repeat(root.RequiredInt("num_hidden_layers"), mamba, null)) with
        {
            NormEpsilon = root.Double(EpsilonKey) ?? 1e-5,
        };
    }

    public override void Write(ModelConfiguration model, JsonObject root)
    {
        var mamba = (Mamba2Configuration)model.Layers[0].Sequence;
        mamba.Write(root);
        root[ExpandKey] = mamba.InnerSize / model.HiddenSize;
        root[WidthKey] = mamba.Convolutions[0].Convolution.Width;
        root[EpsilonKey] = model.NormEpsilon;
        root.Remove("rms_norm_eps");
        root["hidden_act"] = "silu";
        root[NormKey] = true;
        root["residual_in_fp32"] = false;
    }

    public override StoredPlace PlaceOf(string parameter)
    {
        if (!parameter.StartsWith(LayerPrefix, StringComparison.Ordinal))
        {
            return new(parameter switch
            {
                "model.embed_tokens.weight" => "backbone.embeddings.weight",
                "model.norm.weight" => "backbone.norm_f.weight",
                _ => parameter,
            });
        }

        string[] parts = parameter[LayerPrefix.Length..].Split('.', 3);
        string layer = $"backbone.layers.{parts[0]}";
        return parts[1] == "mamba" ? PlaceOfMixer($"{layer}.mixer.", parts[2]) : new($"{layer}.norm.weight");
    }

    /// <summary>Where the parameters of one mixer are kept.</summary>
    /// <param name="prefix">What the names of its tensors begin with.</param>
    /// <param name="parameter">The parameter's name inside the mixer.</param>
    internal static StoredPlace PlaceOfMixer(string prefix, string parameter) => parameter switch
    {
        "z_proj.weight" or "xbc_proj.weight" or "dt_proj.weight" => new($"{prefix}in_proj.weight"),
        "z_proj.bias" or "xbc_proj.bias" or "dt_proj.bias" => new($"{prefix}in_proj.bias"),
        "xbc_conv.static_weight" => new($"{prefix}conv1d.weight") { IsConvolution = true },
        "xbc_conv.bias" => new($"{prefix}conv1d.bias"),
        "o_proj.weight" => new($"{prefix}out_proj.weight"),
        "o_proj.bias" => new($"{prefix}out_proj.bias"),
        _ => new(prefix + parameter),
    };

    internal static ShortConvolutionConfiguration StaticConvolution(int? width) =>
        new() { Kind = ShortConvolutionKind.Static, Width = width ?? 4, Residual = false };

    /// <summary>Settings that make another model of the same tensors.</summary>
    private static void CheckComputed(JsonSection root)
    {
        if (root.Bool(NormKey) == false)
        {
            throw new DynConvException($"{NormKey} is false; only the gated norm behind the recurrence is computed here.");
        }

        if (root.Range(StepLimitKey) is { } limit && limit is not (0, double.PositiveInfinity))
        {
            throw new DynConvException($"{StepLimitKey} is {limit.First} to {limit.Second}; only step sizes without limits are computed here.");
        }
    }
}
