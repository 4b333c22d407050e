using System.Text.Json.Nodes;

namespace DynConv.Models;

/// <summary>Reads typed values out of a JSON object; a wrong type is an error that names the key.</summary>
internal sealed class JsonSection(JsonObject node, string path)
{
    public int? Int(string key) => Value<int>(key, "a whole number");

    public int RequiredInt(string key) => Int(key) ?? throw Missing(key);

    public double? Double(string key) => Value<double>(key, "a number");

    public double RequiredDouble(string key) => Double(key) ?? throw Missing(key);

    public bool? Bool(string key) => Value<bool>(key, "true or false");

    public string? String(string key) => node[key] switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out string? text) => text,
        JsonNode other => throw Wrong(key, "a text", other),
    };

    public string RequiredString(string key) => String(key) ?? throw Missing(key);

    public IReadOnlyList<string> Strings(string key)
    {
        if (node[key] is not JsonArray array)
        {
            throw node[key] is { } other ? Wrong(key, "a list of texts", other) : Missing(key);
        }

        return [.. array.Select(item => item is JsonValue value && value.TryGetValue(out string? text)
            ? text
            : throw Wrong(key, "a list of texts", array))];
    }

    public JsonSection? Section(string key) => node[key] switch
    {
        null => null,
        JsonObject section => new JsonSection(section, $"{path}{key}."),
        JsonNode other => throw Wrong(key, "an object", other),
    };

    private T? Value<T>(string key, string wanted)
        where T : struct => node[key] switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out T result) => result,
        JsonNode other => throw Wrong(key, wanted, other),
    };

    private DynConvException Missing(string key) => new($"{path}{key} is missing.");

    private DynConvException Wrong(string key, string wanted, JsonNode found) =>
        new($"{path}{key} is {found.ToJsonString()}; {wanted} is wanted.");
}
