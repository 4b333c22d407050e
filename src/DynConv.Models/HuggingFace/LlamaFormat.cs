using DynConv.Models.Layers;
using System.Text.Json.Nodes;

namespace DynConv.Models.HuggingFace;

/// <summary>Meta's Llama, of any generation: a plain Transformer, with biases or without.</summary>
internal sealed class LlamaFormat : ModelFormat
{
    public override string ModelType => "llama";

    public override string Architecture => "LlamaForCausalLM";

    /// <remarks>transformers refuses a Llama whose heads do not divide the hidden size, whatever its <c>head_dim</c> says.</remarks>
    public override bool CanWrite(ModelConfiguration model) => UniformTransformer.Of(model) is
    {
        Convolution: null,
        Attention: { QkNorm: false, Rope: not null } attention,
    } && attention.QkvBias == attention.OutputBias && model.HiddenSize % attention.Heads == 0;

    public override ModelConfiguration Read(JsonSection root, MixerKinds mixers) => ReadUniform(root);

    public override void Write(ModelConfiguration model, JsonObject root) => WriteUniform(model, root);
}
