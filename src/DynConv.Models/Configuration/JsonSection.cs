using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DynConv.Models;

/// <summary>
/// Reads typed values out of a JSON object: null where a key is missing or null, and an error that names the key where the
/// value is of another type.
/// </summary>
public sealed class JsonSection
{
    private static readonly JsonSerializerOptions AsWritten = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly JsonObject _node;
    private readonly string _path;
    private readonly HashSet<string> _asked = [];

    /// <summary>Wraps an object.</summary>
    /// <param name="node">The object.</param>
    /// <param name="path">What messages put before its keys, as in <c>layers[0].</c>.</param>
    public JsonSection(JsonObject node, string path = "")
        : this(path, JsonNode.Parse(node.ToJsonString())!.AsObject())
    {
    }

    // A number made in code keeps the type that it was made with; read from a text, it is any that it fits.
    private JsonSection(string path, JsonObject parsed)
    {
        _node = parsed;
        _path = path;
    }

    /// <summary>What messages call the section, as in <c>layers[0].sequence_mixer</c>.</summary>
    public string Name => _path.TrimEnd('.');

    /// <summary>All keys, in their order.</summary>
    public IReadOnlyList<string> Keys => [.. _node.Select(pair => pair.Key)];

    /// <summary>A whole number.</summary>
    /// <param name="key">Its key.</param>
    public int? Int(string key) => Value<int>(key, "a whole number");

    /// <summary>A whole number that has to be there.</summary>
    /// <param name="key">Its key.</param>
    public int RequiredInt(string key) => Int(key) ?? throw Missing(key);

    /// <summary>A number.</summary>
    /// <param name="key">Its key.</param>
    public double? Double(string key) => Value<double>(key, "a number");

    /// <summary>A number that has to be there.</summary>
    /// <param name="key">Its key.</param>
    public double RequiredDouble(string key) => Double(key) ?? throw Missing(key);

    /// <summary>True or false.</summary>
    /// <param name="key">Its key.</param>
    public bool? Bool(string key) => Value<bool>(key, "true or false");

    /// <summary>A text.</summary>
    /// <param name="key">Its key.</param>
    public string? String(string key) => Find(key) switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out string? text) => text,
        JsonNode other => throw Wrong(key, "a text", other),
    };

    /// <summary>A text that has to be there.</summary>
    /// <param name="key">Its key.</param>
    public string RequiredString(string key) => String(key) ?? throw Missing(key);

    /// <summary>A list of texts that has to be there.</summary>
    /// <param name="key">Its key.</param>
    public IReadOnlyList<string> Strings(string key) => StringsOrNull(key) ?? throw Missing(key);

    /// <summary>A list of texts.</summary>
    /// <param name="key">Its key.</param>
    public IReadOnlyList<string>? StringsOrNull(string key)
    {
        if (Find(key) is not { } found)
        {
            return null;
        }

        JsonArray array = found as JsonArray ?? throw Wrong(key, "a list of texts", found);
        return [.. array.Select(item => item is JsonValue value && value.TryGetValue(out string? text)
            ? text
            : throw Wrong(key, "a list of texts", array))];
    }

    /// <summary>An object.</summary>
    /// <param name="key">Its key.</param>
    public JsonSection? Section(string key) => Find(key) switch
    {
        null => null,
        JsonObject section => new JsonSection($"{_path}{key}.", section),
        JsonNode other => throw Wrong(key, "an object", other),
    };

    /// <summary>An object that has to be there.</summary>
    /// <param name="key">Its key.</param>
    public JsonSection RequiredSection(string key) => Section(key) ?? throw Missing(key);

    /// <summary>A list of objects that has to be there.</summary>
    /// <param name="key">Its key.</param>
    public IReadOnlyList<JsonSection> RequiredSections(string key)
    {
        if (Find(key) is not JsonArray array)
        {
            throw Find(key) is { } other ? Wrong(key, "a list of objects", other) : Missing(key);
        }

        return [.. array.Select((item, i) => item is JsonObject section
            ? new JsonSection($"{_path}{key}[{i}].", section)
            : throw Wrong(key, "a list of objects", array))];
    }

    /// <summary>Refuses keys that nobody has asked for: a slip of the pen would otherwise pass in silence.</summary>
    /// <exception cref="DynConvException">There is such a key.</exception>
    public void RefuseOthers()
    {
        if (Keys.FirstOrDefault(key => !_asked.Contains(key)) is { } unknown)
        {
            throw new DynConvException($"There is no setting {_path}{unknown}; there can be {string.Join(", ", _asked)}.");
        }
    }

    /// <summary>A whole number, or a list of such.</summary>
    internal IReadOnlyList<int>? IntOrInts(string key)
    {
        const string Wanted = "a whole number or a list of such";
        return Find(key) switch
        {
            null => null,
            JsonValue value when value.TryGetValue(out int id) => [id],
            JsonArray list => [.. list.Select(item => item is JsonValue value && value.TryGetValue(out int id) ? id : throw Wrong(key, Wanted, list))],
            JsonNode other => throw Wrong(key, Wanted, other),
        };
    }

    /// <summary>A text, or the <c>content</c> of an object: the two ways to write a token.</summary>
    internal string? TextOrContent(string key) => Find(key) is JsonObject ? Section(key)!.String("content") : String(key);

    /// <summary>Refuses any text but one, if there is one at all.</summary>
    internal void RequireText(string key, string wanted)
    {
        if (String(key) is { } found && found != wanted)
        {
            throw new DynConvException($"{_path}{key} is '{found}'; only '{wanted}' is computed here.");
        }
    }

    /// <summary>Two numbers, the second of which may be infinite, in either way in which transformers writes that.</summary>
    internal (double First, double Second)? Range(string key)
    {
        const string Wanted = "a list of two numbers";
        return Find(key) switch
        {
            null => null,
            JsonArray { Count: 2 } range => (Bound(range[0], range), Bound(range[1], range)),
            JsonNode other => throw Wrong(key, Wanted, other),
        };

        double Bound(JsonNode? bound, JsonArray range) => bound switch
        {
            JsonValue value when value.TryGetValue(out double number) => number,
            JsonObject spelled when spelled["__float__"] is JsonValue text && text.TryGetValue(out string? name) && name == "Infinity" =>
                double.PositiveInfinity,
            _ => throw Wrong(key, Wanted, range),
        };
    }

    private JsonNode? Find(string key)
    {
        _asked.Add(key);
        return _node[key];
    }

    private T? Value<T>(string key, string wanted)
        where T : struct => Find(key) switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out T result) => result,
        JsonNode other => throw Wrong(key, wanted, other),
    };

    private DynConvException Missing(string key) => new($"{_path}{key} is missing.");

    private DynConvException Wrong(string key, string wanted, JsonNode found) =>
        new($"{_path}{key} is {found.ToJsonString(AsWritten)}; {wanted} is wanted.");
}
