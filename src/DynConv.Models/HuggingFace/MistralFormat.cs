using DynConv.Models.Layers;
using System.Text.Json.Nodes;

namespace DynConv.Models.HuggingFace;

/// <summary>Mistral's models: Llama's layers, the older ones with a sliding window. Read alone; written, they are Llamas.</summary>
internal sealed class MistralFormat : ModelFormat
{
    private const int UsualWindow = 4096;

    public override string ModelType => "mistral";

    public override string Architecture => "MistralForCausalLM";

    protected override int? UsualKeyValueHeads => 8;

    protected override int UsualMaxPositions => 131_072;

    public override bool CanWrite(ModelConfiguration model) => false;

    public override ModelConfiguration Read(JsonSection root, MixerKinds mixers) => WithinWindow(
        ReadUniform(root), root.Keys.Contains("sliding_window") ? root.Int("sliding_window") : UsualWindow);

    public override void Write(ModelConfiguration model, JsonObject root) =>
        throw new InvalidOperationException("A Llama says the same.");
}
