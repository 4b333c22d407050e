using DynConv.Models.Layers;
using System.Text.Json.Nodes;

namespace DynConv.Models.HuggingFace;

/// <summary>Qwen3's dense models: Llama's layers with queries and keys normalised, each head by itself.</summary>
internal sealed class Qwen3Format : ModelFormat
{
    public override string ModelType => "qwen3";

    public override string Architecture => "Qwen3ForCausalLM";

    protected override int? UsualKeyValueHeads => 32;

    protected override int? UsualHeadDimension => 128;

    protected override int UsualMaxPositions => 32_768;

    public override bool CanWrite(ModelConfiguration model) => UniformTransformer.Of(model) is
    {
        Convolution: null,
        Attention: { QkNorm: true, Rope: not null } attention,
        FeedForward.Bias: false,
    } && attention.QkvBias == attention.OutputBias;

    public override ModelConfiguration Read(JsonSection root, MixerKinds mixers) => WithinWindow(
        ReadUniform(root, static attention => attention with { QkNorm = true }),
        SlidingWindow(root));

    public override void Write(ModelConfiguration model, JsonObject root)
    {
        WriteUniform(model, root);

        // That it normalises is part of what the format is, not a setting.
        root.Remove("qk_norm");
        root.Remove("mlp_bias");
    }
}
