using DynConv.Models.Layers;
using System.Text.Json.Nodes;

namespace DynConv.Models.HuggingFace;

/// <summary>Qwen2 and Qwen2.5: Llama's layers with biases on queries, keys and values.</summary>
internal sealed class Qwen2Format : ModelFormat
{
    public override string ModelType => "qwen2";

    public override string Architecture => "Qwen2ForCausalLM";

    protected override int? UsualKeyValueHeads => 32;

    protected override int UsualMaxPositions => 32_768;

    public override bool CanWrite(ModelConfiguration model) => UniformTransformer.Of(model) is
    {
        Convolution: null,
        Attention: { QkNorm: false, Rope: not null, QkvBias: true, OutputBias: false },
        FeedForward.Bias: false,
    };

    public override ModelConfiguration Read(JsonSection root, MixerKinds mixers) => WithinWindow(
        ReadUniform(root, static attention => attention with { QkvBias = true, OutputBias = false }),
        SlidingWindow(root));

    public override void Write(ModelConfiguration model, JsonObject root)
    {
        WriteUniform(model, root);

        // Its biases are part of what the format is, not settings.
        foreach (string key in (string[])["attention_bias", "attention_out_bias", "mlp_bias"])
        {
            root.Remove(key);
        }
    }
}
