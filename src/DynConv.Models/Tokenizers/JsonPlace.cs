using System.Text;
using System.Text.Json;

namespace DynConv.Models.Tokenizers;

/// <summary>A value in a JSON file that knows where it stands, so that what is wrong with it can be said.</summary>
internal readonly struct JsonPlace
{
    private const int LongestShown = 100;

    private readonly string _file;
    private readonly string _path;
    private readonly JsonElement _element;

    private JsonPlace(string file, string path, JsonElement element)
    {
        _file = file;
        _path = path;
        _element = element;
    }

    /// <summary>The value as JSON.</summary>
    public string Json => _element.GetRawText();

    /// <summary>Whether the value is a string.</summary>
    public bool IsText => _element.ValueKind == JsonValueKind.String;

    /// <summary>Parses a file whose root is an object.</summary>
    /// <exception cref="DynConvException">It is not JSON; the message has the line.</exception>
    public static JsonPlace Parse(string file, byte[] json)
    {
        try
        {
            JsonElement root = JsonElement.Parse(WithoutByteOrderMark(json));
            var place = new JsonPlace(file, "", root);
            return root.ValueKind == JsonValueKind.Object
                ? place
                : throw place.Failure($"must be a JSON object, but is {Name(root)}");
        }
        catch (JsonException exception) when (exception.Message.Contains("maximum configured depth", StringComparison.Ordinal))
        {
            throw new DynConvException($"{file} is nested too deeply to be a tokenizer.", exception);
        }
        catch (JsonException exception)
        {
            throw new DynConvException(
                $"{file} is not valid JSON: line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}.",
                exception);
        }
    }

    /// <summary>The property, or null if it is missing or null.</summary>
    public JsonPlace? Find(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        JsonElement? found = null;
        foreach (JsonProperty property in _element.EnumerateObject())
        {
            if (IsNamed(property, name))
            {
                found = found is null ? property.Value : throw Failure($"has '{Cut(name)}' twice");
            }
        }

        return found is { ValueKind: not JsonValueKind.Null } value
            ? new JsonPlace(_file, _path.Length == 0 ? Cut(name) : $"{_path}.{Cut(name)}", value)
            : null;
    }

    /// <summary>The property, which must be there.</summary>
    public JsonPlace Get(string name) => Find(name) ?? throw Failure($"has no '{Cut(name)}'");

    /// <summary>The boolean property, or <paramref name="missing"/>.</summary>
    public bool Flag(string name, bool missing)
    {
        if (Find(name) is not JsonPlace flag)
        {
            return missing;
        }

        return flag._element.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? flag._element.GetBoolean()
            : throw flag.Failure($"must be true or false, but is {Name(flag._element)}");
    }

    /// <summary>The string.</summary>
    public string Text()
    {
        Expect(JsonValueKind.String, "a string");
        try
        {
            return _element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Failure("is not Unicode text");
        }
    }

    /// <summary>The whole number that is not negative.</summary>
    public int Count()
    {
        Expect(JsonValueKind.Number, "a number");
        return _element.TryGetInt32(out int count) && count >= 0
            ? count
            : throw Failure($"must be a whole number from 0, but is {Cut(_element.GetRawText())}");
    }

    /// <summary>The number.</summary>
    public double Number()
    {
        Expect(JsonValueKind.Number, "a number");
        return _element.TryGetDouble(out double number) ? number : throw Failure("is not a number that can be read");
    }

    /// <summary>The string of one character.</summary>
    public string Character()
    {
        string text = Text();
        return text.EnumerateRunes().Count() == 1 ? text : throw Failure($"must be one character, but is '{Cut(text)}'");
    }

    /// <summary>The token id: a whole number that is not negative.</summary>
    public int Id()
    {
        Expect(JsonValueKind.Number, "a token id");
        return _element.TryGetInt32(out int id) && id >= 0
            ? id
            : throw Failure($"must be a token id from 0, but is {Cut(_element.GetRawText())}");
    }

    /// <summary>The array's items.</summary>
    public IEnumerable<JsonPlace> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        JsonPlace array = this;
        return _element.EnumerateArray()
            .Select((item, index) => new JsonPlace(array._file, $"{array._path}[{index}]", item));
    }

    /// <summary>The object's properties as token ids by token.</summary>
    public Dictionary<string, int> Ids()
    {
        Expect(JsonValueKind.Object, "an object");
        var ids = new Dictionary<string, int>();
        foreach (JsonProperty property in _element.EnumerateObject())
        {
            string token = NameOf(property);
            if (!ids.TryAdd(token, new JsonPlace(_file, $"{_path}['{Cut(token)}']", property.Value).Id()))
            {
                throw Failure($"has the token '{Cut(token)}' twice");
            }
        }

        return ids;
    }

    /// <summary>What to throw when something is wrong with this value.</summary>
    /// <param name="problem">A predicate, as in <c>must be a string</c>.</param>
    public DynConvException Failure(string problem) =>
        new($"{_file}: {(_path.Length == 0 ? "the root" : _path)} {problem}.");

    /// <summary>The beginning of a text, for a message: in one line, with U+FFFD for what is not to be seen.</summary>
    public static string Cut(string text, int most = LongestShown)
    {
        IEnumerable<Rune> shown = text.EnumerateRunes().Take(most)
            .Select(static rune => Rune.IsControl(rune) || rune.Value is 0x2028 or 0x2029 ? Rune.ReplacementChar : rune);
        return string.Concat(shown) + (text.Length > most ? "…" : "");
    }

    // A name with half a character is nobody's, and comparing it fails.
    private static bool IsNamed(JsonProperty property, string name)
    {
        try
        {
            return property.NameEquals(name);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw Failure("has a token that is not Unicode text");
        }
    }

    private void Expect(JsonValueKind kind, string description)
    {
        if (_element.ValueKind != kind)
        {
            throw Failure($"must be {description}, but is {Name(_element)}");
        }
    }

    private static string Name(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "a boolean",
    };

    private static ReadOnlySpan<byte> WithoutByteOrderMark(ReadOnlySpan<byte> json) =>
        json is [0xEF, 0xBB, 0xBF, ..] ? json[3..] : json;
}
