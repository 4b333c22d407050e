using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using DynConv.Models;
using DynConv.Models.Layers;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.Serialization;

namespace DynConv.Training;

/// <summary>
/// Mixers for the layers of a model, over and over: with <c>[a, a, b]</c> every third layer has b. In YAML each is a kind's
/// name, or a section with its <c>type</c> and the settings that <c>config.json</c> has for it.
/// </summary>
[JsonConverter(typeof(PatternConverter))]
public sealed class MixerPattern : IEquatable<MixerPattern>
{
    private readonly JsonArray _mixers;

    private MixerPattern(JsonArray mixers) => _mixers = mixers;

    /// <summary>Reads names with commas between them, as in <c>gdn*4,attention,gdn*3</c>.</summary>
    /// <param name="names">As on the command line.</param>
    /// <exception cref="DynConvException">What a name is repeated by is no number, or too large.</exception>
    public static MixerPattern Parse(string names)
    {
        ArgumentNullException.ThrowIfNull(names);
        return new([.. names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).SelectMany(Repeated)]);

        static IEnumerable<JsonNode> Repeated(string name)
        {
            string[] parts = name.Split('*', StringSplitOptions.TrimEntries);
            int count = 1;
            bool fits = parts.Length == 1
                || (parts.Length == 2 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out count)
                    && count is >= 1 and <= LayerConfiguration.MostLayers);
            return fits
                ? Enumerable.Range(0, count).Select(_ => (JsonNode)parts[0])
                : throw new DynConvException($"'{name}' is no mixer; a number from 1 to {LayerConfiguration.MostLayers} can stand behind *, as in attention*3.");
        }
    }

    /// <summary>The names of the mixers.</summary>
    public override string ToString() => string.Join(", ", _mixers.Select(mixer => mixer switch
    {
        JsonObject section => section[MixerConfiguration.TypeKey]?.ToString() ?? "?",
        _ => mixer?.ToString() ?? "?",
    }));

    /// <inheritdoc/>
    public bool Equals(MixerPattern? other) => other is not null && JsonNode.DeepEquals(_mixers, other._mixers);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as MixerPattern);

    /// <inheritdoc/>
    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    /// <summary>The mixers' settings, and whether each says itself which convolutions it has.</summary>
    /// <param name="kinds">What they can be.</param>
    /// <param name="role">Which half of a layer they are to be.</param>
    /// <param name="hiddenSize">Channels between layers.</param>
    /// <param name="ordinary">What a mixer of the same kind has where its section says nothing.</param>
    internal IReadOnlyList<(MixerConfiguration Mixer, bool OwnConvolutions)> Resolve(
        MixerKinds kinds, MixerRole role, int hiddenSize, IEnumerable<MixerConfiguration> ordinary)
    {
        string list = role == MixerRole.Sequence ? "sequence_mixers" : "channel_mixers";
        if (_mixers.Count is 0 or > LayerConfiguration.MostLayers)
        {
            throw new DynConvException($"{list} has {_mixers.Count} mixers; it needs 1 to {LayerConfiguration.MostLayers}.");
        }

        return
        [
            .. _mixers.Select((mixer, i) => (
                kinds.Read(new JsonSection(Section(mixer, ordinary), $"{list}[{i}]."), role, hiddenSize),
                mixer is JsonObject section && section.ContainsKey(MixerConfiguration.ConvolutionKey))),
        ];
    }

    private static JsonObject Section(JsonNode? mixer, IEnumerable<MixerConfiguration> ordinary)
    {
        JsonObject given = mixer as JsonObject ?? new JsonObject { [MixerConfiguration.TypeKey] = mixer?.DeepClone() };
        string? name = given[MixerConfiguration.TypeKey] is JsonValue type && type.TryGetValue(out string? text) ? text : null;
        JsonObject section = ordinary.FirstOrDefault(one => one.Type == name)?.ToJson() ?? [];
        foreach ((string key, JsonNode? value) in given)
        {
            section[key] = value?.DeepClone();
        }

        return section;
    }

    /// <summary>The pattern as a list in JSON.</summary>
    internal sealed class PatternConverter : JsonConverter<MixerPattern>
    {
        public override MixerPattern Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new(JsonNode.Parse(ref reader) as JsonArray ?? throw new JsonException("A pattern of mixers is a list."));

        public override void Write(Utf8JsonWriter writer, MixerPattern value, JsonSerializerOptions options) =>
            value._mixers.WriteTo(writer, options);
    }

    /// <summary>The pattern as a list in YAML.</summary>
    internal sealed class YamlConverter : IYamlTypeConverter
    {
        public bool Accepts(Type type) => type == typeof(MixerPattern);

        public object? ReadYaml(IParser parser, Type type, ObjectDeserializer rootDeserializer)
        {
            return YamlNodes.ToJson(YamlNodes.Read(parser)) is JsonArray mixers ? new MixerPattern(mixers) : null;
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
