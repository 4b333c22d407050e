using DynConv.Models.Layers;
using System.Text.Json.Nodes;

namespace DynConv.Models.HuggingFace;

/// <summary>
/// This library's own, for layers that are all alike: Llama's keys, <c>qk_norm</c>, <c>position_embedding_type</c>,
/// <c>attention_out_bias</c>, and a section <c>short_conv</c> for convolutions. The name keeps other tools from loading the model as a Llama and leaving the convolutions out in silence.
/// </summary>
internal sealed class DynConvLlamaFormat : ModelFormat
{
    public override string ModelType => "dynconv_llama";

    public override string Architecture => "DynConvLlamaForCausalLM";

    public override bool CanWrite(ModelConfiguration model) => UniformTransformer.Of(model) is not null;

    public override ModelConfiguration Read(JsonSection root, MixerKinds mixers) => ReadUniform(root);

    public override void Write(ModelConfiguration model, JsonObject root) => WriteUniform(model, root);
}
