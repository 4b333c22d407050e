using System.Text.Json.Nodes;
using DynConv.Models.Layers;

namespace DynConv.Models.HuggingFace;

/// <summary>
/// This library's own, for any model: <c>layers</c> lists the two mixers of each layer with their settings, and the
/// convolutions in them place by place.
/// </summary>
internal sealed class DynConvFormat : ModelFormat
{
    private const string LayersKey = "layers";
    private const string RepeatKey = "repeat";
    private const string SequenceKey = "sequence_mixer";
    private const string ChannelKey = "channel_mixer";

    private static readonly string[] OfMixers =
        ["short_conv", "qk_norm", "rope_theta", "rope_scaling", "rope_parameters", "num_attention_heads", "intermediate_size"];

    public override string ModelType => "dynconv";

    public override string Architecture => "DynConvForCausalLM";

    public override bool CanWrite(ModelConfiguration model) => true;

    public override ModelConfiguration Read(JsonSection root, MixerKinds mixers)
    {
        if (root.Keys.FirstOrDefault(OfMixers.Contains) is { } misplaced)
        {
            throw new DynConvException($"{misplaced} stands beside {LayersKey}; here it belongs to the mixers in them.");
        }

        int hidden = root.RequiredInt("hidden_size");
        var layers = new List<LayerConfiguration>();
        foreach (JsonSection section in root.RequiredSections(LayersKey))
        {
            int repeat = section.Int(RepeatKey) ?? 1;
            Require.AtLeastOne($"{LayersKey}[].{RepeatKey}", repeat);
            Require.LayerCount((int)Math.Min(int.MaxValue, (long)layers.Count + repeat));
            layers.AddRange(LayerConfiguration.Repeat(
                repeat,
                mixers.Read(section.RequiredSection(SequenceKey), MixerRole.Sequence, hidden),
                section.Section(ChannelKey) is { } channel ? mixers.Read(channel, MixerRole.Channel, hidden) : null));
            section.RefuseOthers();
        }

        if (root.Int("num_hidden_layers") is { } count && count != layers.Count)
        {
            throw new DynConvException($"num_hidden_layers is {count}, and {LayersKey} lists {layers.Count}.");
        }

        return ReadCommon(root, layers);
    }

    public override void Write(ModelConfiguration model, JsonObject root)
    {
        var runs = new List<(LayerConfiguration Layer, int Length)>();
        foreach (LayerConfiguration layer in model.Layers)
        {
            if (runs.Count > 0 && runs[^1].Layer == layer)
            {
                runs[^1] = (layer, runs[^1].Length + 1);
            }
            else
            {
                runs.Add((layer, 1));
            }
        }

        root[LayersKey] = new JsonArray([.. runs.Select(run => (JsonNode)ToJson(run.Layer, run.Length))]);
    }

    private static JsonObject ToJson(LayerConfiguration layer, int repeat)
    {
        var section = new JsonObject { [RepeatKey] = repeat, [SequenceKey] = layer.Sequence.ToJson() };
        if (layer.Channel is not null)
        {
            section[ChannelKey] = layer.Channel.ToJson();
        }

        return section;
    }
}
