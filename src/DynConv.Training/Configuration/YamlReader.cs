using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace DynConv.Training;

/// <summary>
/// Reads YAML that anybody may have written, for all files of settings: into events without tags, anchors and aliases,
/// whose nesting and number have a limit, and in which no key is there twice.
/// </summary>
internal sealed class YamlReader
{
    private const int DeepestNesting = 16;
    private const int MostValues = 200_000;
    private const int MostByAliases = 10_000;
    private const string LookFor = "look for a bracket, a comma, a colon, a quote or an indentation that is missing or too many";

    private readonly List<ParsingEvent> _events = [];
    private readonly Stack<Open> _open = [];
    private readonly Dictionary<string, int> _anchors = [];
    private int _byAliases;

    private YamlReader()
    {
    }

    /// <summary>Reads one document.</summary>
    /// <param name="text">YAML; nothing counts as an empty document.</param>
    /// <exception cref="YamlException">In our own words: it is no YAML, or has what no file of settings needs.</exception>
    public static IReadOnlyList<ParsingEvent> Read(string text)
    {
        var reader = new YamlReader();
        var parser = new Parser(new StringReader(text));
        while (reader.Next(parser, text) is { } found)
        {
            reader.Add(found);
        }

        return reader._events;
    }

    /// <summary>The next event; what the parser says of a mistake is for those who know parsers.</summary>
    private ParsingEvent? Next(Parser parser, string text)
    {
        try
        {
            return parser.MoveNext() ? parser.Current : null;
        }
        catch (Exception exception) when (exception is YamlException or ArgumentException or InvalidOperationException or FormatException or OverflowException)
        {
            Mark at = exception is YamlException { Start: { Line: > 0 } start } ? start : _events.Count > 0 ? _events[^1].End : Mark.Empty;
            throw new YamlException(at, at, Problem(at, text));
        }
    }

    private string Problem(Mark at, string text)
    {
        // A tab is met as whatever else could stand there, or in the line before.
        int tab = Array.FindIndex(text.Split('\n'), (int)Math.Max(0, at.Line - 1), static line => line.TrimStart(' ').StartsWith('\t')) + 1;
        return tab > 0 && tab <= at.Line + 1 ? $"line {tab} begins with a tab, and YAML is indented by spaces alone"
            : _open.TryPeek(out Open? inner) && inner.IsFlow ? $"this is not YAML, inside the {inner.What} that begins in line {inner.Where.Line}; {LookFor}"
            : $"this is not YAML; {LookFor}";
    }

    private void Add(ParsingEvent found)
    {
        switch (found)
        {
            case DocumentStart when _events.Exists(static one => one is DocumentStart):
                throw Failure(found, "a second document begins here, and a file of settings has one");
            case StreamStart or StreamEnd or DocumentStart or DocumentEnd:
                _events.Add(found);
                break;
            case AnchorAlias alias:
                Repeat(alias);
                break;
            case NodeEvent { Tag.IsEmpty: false } tagged:
                throw Failure(found, $"the tag {Name(tagged.Tag)} has no meaning in a file of settings; leave it out");
            case NodeEvent { Anchor.IsEmpty: false } anchored:
                _anchors[anchored.Anchor.Value] = _events.Count;
                Place(found);
                break;
            default:
                Place(found);
                break;
        }
    }

    /// <summary>Puts the events of an anchor's value in the place of an alias.</summary>
    private void Repeat(AnchorAlias alias)
    {
        if (!_anchors.TryGetValue(alias.Value.Value, out int start))
        {
            throw Failure(alias, $"the alias *{alias.Value.Value} stands for nothing: no value before it has the anchor &{alias.Value.Value}");
        }

        int end = start;
        for (int depth = 0; end < _events.Count; end++)
        {
            depth += _events[end].NestingIncrease;
            if (depth == 0)
            {
                break;
            }
        }

        if (end == _events.Count)
        {
            throw Failure(alias, $"the alias *{alias.Value.Value} stands inside the value that it stands for");
        }

        _byAliases += end + 1 - start;
        if (_byAliases > MostByAliases)
        {
            throw Failure(alias, $"aliases stand for more than {MostByAliases:N0} values here");
        }

        for (int i = start; i <= end; i++)
        {
            Place(_events[i]);
        }
    }

    private void Place(ParsingEvent found)
    {
        if (_events.Count >= MostValues)
        {
            throw Failure(found, $"a file of settings has {MostValues:N0} values at most");
        }

        if (found is MappingEnd or SequenceEnd)
        {
            _open.Pop();
            _events.Add(found);
            return;
        }

        _open.TryPeek(out Open? section);
        CheckPlace(found, section);
        switch (found)
        {
            case Scalar scalar:
                if (scalar.Value.Contains('\0'))
                {
                    throw Failure(scalar, "a text has the character NUL in it");
                }

                _events.Add(new Scalar(AnchorName.Empty, TagName.Empty, scalar.Value, scalar.Style, true, true, scalar.Start, scalar.End));
                break;
            case MappingStart mapping:
                Begin(mapping, new Open(mapping.Start, mapping.Style == MappingStyle.Flow, Keys: []));
                _events.Add(new MappingStart(AnchorName.Empty, TagName.Empty, true, mapping.Style, mapping.Start, mapping.End));
                break;
            case SequenceStart list:
                Begin(list, new Open(list.Start, list.Style == SequenceStyle.Flow, Keys: null));
                _events.Add(new SequenceStart(AnchorName.Empty, TagName.Empty, true, list.Style, list.Start, list.End));
                break;
        }
    }

    private static void CheckPlace(ParsingEvent found, Open? section)
    {
        if (section?.Keys is not { } keys)
        {
            return;
        }

        if (section.HasKey)
        {
            section.HasKey = false;
            return;
        }

        string key = found is Scalar { Value.Length: > 0 } scalar ? scalar.Value : throw Failure(found, "a key has to be a text");
        section.HasKey = keys.Add(key) ? true : throw Failure(found, $"{Quote(key)} is there twice");
    }

    private void Begin(ParsingEvent found, Open section)
    {
        if (_open.Count >= DeepestNesting)
        {
            throw Failure(found, $"lists and sections lie too deep in one another; {DeepestNesting} is the limit");
        }

        _open.Push(section);
    }

    /// <summary>A value as a message shows it.</summary>
    public static string Quote(string value)
    {
        const int Most = 80;
        return value.Length <= Most ? $"'{value}'" : $"'{value.AsSpan(0, Most)}…'";
    }

    /// <summary>A tag as it is written.</summary>
    private static string Name(TagName tag)
    {
        const string Core = "tag:yaml.org,2002:";
        return tag.IsNonSpecific ? tag.Value : tag.Value.StartsWith(Core, StringComparison.Ordinal) ? $"!!{tag.Value[Core.Length..]}" : tag.Value;
    }

    private static YamlException Failure(ParsingEvent where, string problem) => new(where.Start, where.End, problem);

    /// <summary>A list or a section that has begun.</summary>
    private sealed record Open(Mark Where, bool IsFlow, HashSet<string>? Keys)
    {
        public bool HasKey { get; set; }

        public string What => Keys is null ? "list" : "section";
    }
}
