using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace DynConv.Training;

/// <summary>YAML as a tree whose nodes know their lines: laid over each other, and read as if they were a file.</summary>
internal static class YamlNodes
{
    /// <summary>Reads one mapping.</summary>
    /// <exception cref="YamlException">It is no YAML, or no mapping.</exception>
    public static YamlMappingNode Read(string text)
    {
        var stream = new YamlStream();
        stream.Load(new EventParser(YamlReader.Read(text)));
        return stream.Documents.Count == 0 ? new YamlMappingNode() : Mapping(stream.Documents[0].RootNode, "a file of settings");
    }

    /// <summary>A node as a mapping; nothing counts as an empty one.</summary>
    public static YamlMappingNode Mapping(YamlNode node, string wanted) => node switch
    {
        YamlMappingNode mapping => mapping,
        YamlScalarNode { Style: ScalarStyle.Plain, Value: "" or "~" or "null" } => new YamlMappingNode(),
        _ => throw Failure(node, $"{wanted} has to be a section of settings"),
    };

    /// <summary>A node as text.</summary>
    public static string Text(YamlNode node, string wanted) =>
        node is YamlScalarNode { Value.Length: > 0 } scalar ? scalar.Value : throw Failure(node, $"{wanted} has to be a text");

    /// <summary>Keys with their nodes.</summary>
    public static IEnumerable<(string Key, YamlNode KeyNode, YamlNode Value)> Entries(YamlMappingNode mapping) =>
        mapping.Children.Select(static pair => (Text(pair.Key, "a key"), pair.Key, pair.Value));

    /// <summary>One mapping over another; sections in both are laid over each other too.</summary>
    public static YamlMappingNode Merge(YamlMappingNode under, YamlMappingNode over)
    {
        var merged = new YamlMappingNode();
        foreach ((YamlNode key, YamlNode value) in under.Children.Where(pair => !over.Children.ContainsKey(pair.Key)))
        {
            merged.Add(key, value);
        }

        foreach ((YamlNode key, YamlNode value) in over.Children)
        {
            bool both = under.Children.TryGetValue(key, out YamlNode? before);
            merged.Add(key, both && before is YamlMappingNode first && value is YamlMappingNode second ? Merge(first, second) : value);
        }

        return merged;
    }

    /// <summary>Events as a deserializer reads them.</summary>
    public static IParser Parser(IReadOnlyList<ParsingEvent> events) => new EventParser(events);

    /// <summary>The events of a document that holds a node, with the lines at which its parts stand.</summary>
    public static IParser Parser(YamlNode root) =>
        new EventParser([new StreamStart(), new DocumentStart(), .. Events(root), new DocumentEnd(true), new StreamEnd()]);

    /// <summary>The node that a parser has come to; <see cref="YamlReader"/> has looked at its events.</summary>
    public static YamlNode Read(IParser parser)
    {
        if (parser.TryConsume<Scalar>(out Scalar? scalar))
        {
            return new YamlScalarNode(scalar.Value) { Style = scalar.Style };
        }

        if (parser.TryConsume<SequenceStart>(out _))
        {
            var list = new YamlSequenceNode();
            while (!parser.TryConsume<SequenceEnd>(out _))
            {
                list.Add(Read(parser));
            }

            return list;
        }

        parser.Consume<MappingStart>();
        var mapping = new YamlMappingNode();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            YamlNode key = Read(parser);
            mapping.Add(key, Read(parser));
        }

        return mapping;
    }

    /// <summary>The same values as YAML.</summary>
    public static YamlNode FromJson(JsonNode? node) => node switch
    {
        JsonObject section => new YamlMappingNode(section.Select(static pair =>
            KeyValuePair.Create((YamlNode)new YamlScalarNode(pair.Key), FromJson(pair.Value)))),
        JsonArray list => new YamlSequenceNode(list.Select(FromJson)),
        JsonValue value when value.TryGetValue(out string? text) => new YamlScalarNode(text)
        {
            // A text that would be read back as a number or as nothing.
            Style = Scalar(text) is JsonValue plain && plain.TryGetValue(out string? _) ? ScalarStyle.Plain : ScalarStyle.DoubleQuoted,
        },
        null => new YamlScalarNode("null"),
        _ => new YamlScalarNode(node.ToJsonString()),
    };

    /// <summary>The same values as JSON.</summary>
    public static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode mapping => new JsonObject(Entries(mapping).Select(static entry => KeyValuePair.Create(entry.Key, ToJson(entry.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(ToJson)]),
        YamlScalarNode { Style: ScalarStyle.Plain, Value: { } text } => Scalar(text),
        YamlScalarNode scalar => scalar.Value,
        _ => null,
    };

    public static YamlException Failure(YamlNode where, string problem) => new(where.Start, where.End, problem);

    private static JsonNode? Scalar(string text) =>
        text is "" or "~" or "null" ? null
        : bool.TryParse(text, out bool flag) ? flag
        : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole) ? whole
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number) ? number
        : text;

    /// <summary>The events that stand for a node.</summary>
    public static IEnumerable<ParsingEvent> Events(YamlNode node) => node switch
    {
        YamlMappingNode mapping =>
        [
            new MappingStart(AnchorName.Empty, TagName.Empty, isImplicit: true, mapping.Style, mapping.Start, mapping.End),
            .. mapping.Children.SelectMany(static pair => Events(pair.Key).Concat(Events(pair.Value))),
            new MappingEnd(),
        ],
        YamlSequenceNode list =>
        [
            new SequenceStart(AnchorName.Empty, TagName.Empty, isImplicit: true, list.Style, list.Start, list.End),
            .. list.Children.SelectMany(Events),
            new SequenceEnd(),
        ],
        YamlScalarNode scalar =>
        [
            new Scalar(AnchorName.Empty, TagName.Empty, scalar.Value ?? "", scalar.Style, isPlainImplicit: true, isQuotedImplicit: true, scalar.Start, scalar.End),
        ],
        _ => throw Failure(node, "an alias stands where a value is wanted"),
    };

    private sealed class EventParser(IReadOnlyList<ParsingEvent> events) : IParser
    {
        private int _next;

        public ParsingEvent? Current { get; private set; }

        public bool MoveNext()
        {
            Current = _next < events.Count ? events[_next] : null;
            _next++;
            return Current is not null;
        }
    }
}
