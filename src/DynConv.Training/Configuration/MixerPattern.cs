using System.Text.Json.Nodes;
using DynConv.Models;
using DynConv.Models.Layers;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;
using YamlDotNet.Serialization;

namespace DynConv.Training;

/// <summary>
/// Mixers for the layers of a model, over and over: with <c>[a, a, b]</c> every third layer has b. In YAML each is a kind's
/// name, or a section with its <c>type</c> and the settings that <c>config.json</c> has for it.
/// </summary>
public sealed class MixerPattern : IEquatable<MixerPattern>
{
    private readonly JsonArray _mixers;

    private MixerPattern(JsonArray mixers) => _mixers = mixers;

    /// <summary>Reads names with commas between them.</summary>
    /// <param name="names">As on the command line.</param>
    public static MixerPattern Parse(string names) =>
        new([.. names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(name => (JsonNode)name)]);

    /// <summary>The names of the mixers.</summary>
    public override string ToString() => string.Join(", ", _mixers.Select(mixer => mixer switch
    {
        JsonObject section => section["type"]?.ToString() ?? "?",
        _ => mixer?.ToString() ?? "?",
    }));

    /// <inheritdoc/>
    public bool Equals(MixerPattern? other) => other is not null && JsonNode.DeepEquals(_mixers, other._mixers);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as MixerPattern);

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    /// <summary>The mixers' settings.</summary>
    /// <param name="role">Which half of a layer they are to be.</param>
    /// <param name="hiddenSize">Channels between layers.</param>
    /// <param name="ordinary">What a mixer of the same kind has where its section says nothing.</param>
    internal IReadOnlyList<MixerConfiguration> Resolve(MixerRole role, int hiddenSize, MixerConfiguration ordinary)
    {
        if (_mixers.Count == 0)
        {
            throw new DynConvException("A pattern of mixers needs at least one.");
        }

        string list = role == MixerRole.Sequence ? "sequence_mixers" : "channel_mixers";
        return [.. _mixers.Select((mixer, i) => MixerKinds.Read(
            new JsonSection(Section(mixer, ordinary), $"{list}[{i}]."), role, hiddenSize))];
    }

    private static JsonObject Section(JsonNode? mixer, MixerConfiguration ordinary)
    {
        JsonObject given = mixer as JsonObject ?? new JsonObject { ["type"] = mixer?.DeepClone() };
        JsonObject section = given["type"] is JsonValue type && type.TryGetValue(out string? name) && name == ordinary.Type
            ? ordinary.ToJson()
            : [];
        foreach ((string key, JsonNode? value) in given)
        {
            section[key] = value?.DeepClone();
        }

        // A number keeps the type that it was made with, and a section is read by the types that files have.
        return JsonNode.Parse(section.ToJsonString())!.AsObject();
    }

    /// <summary>The pattern as a list in YAML.</summary>
    internal sealed class YamlConverter : IYamlTypeConverter
    {
        public bool Accepts(Type type) => type == typeof(MixerPattern);

        public object ReadYaml(IParser parser, Type type, ObjectDeserializer rootDeserializer)
        {
            YamlNode node = YamlNodes.Read(parser);
            var mixers = (JsonArray)YamlNodes.ToJson(node)!;
            return new MixerPattern(mixers);
        }

        public void WriteYaml(IEmitter emitter, object? value, Type type, ObjectSerializer serializer)
        {
            foreach (ParsingEvent part in YamlNodes.Events(YamlNodes.FromJson(((MixerPattern)value!)._mixers)))
            {
                emitter.Emit(part);
            }
        }
    }
}
