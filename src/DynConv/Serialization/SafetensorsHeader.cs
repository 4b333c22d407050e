using System.Text.Json;
using System.Text.Unicode;

namespace DynConv.Serialization;

/// <summary>The JSON header of a safetensors file: read strictly, so that whatever passes can be trusted.</summary>
internal sealed class SafetensorsHeader
{
    public const string MetadataKey = "__metadata__";

    private readonly string _path;
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);

    private SafetensorsHeader(string path) => _path = path;

    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _entries;

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <param name="path">The file, for messages.</param>
    /// <param name="json">The header without its length.</param>
    /// <param name="dataLength">Bytes that follow the header in the file.</param>
    public static SafetensorsHeader Parse(string path, ReadOnlyMemory<byte> json, long dataLength)
    {
        var header = new SafetensorsHeader(path);
        using JsonDocument document = header.ParseJson(json);
        header.AddAll(document.RootElement);
        header.CheckLayout(dataLength);
        return header;
    }

    private JsonDocument ParseJson(ReadOnlyMemory<byte> json)
    {
        try
        {
            if (!json.IsEmpty && json.Span[0] == '{' && Utf8.IsValid(json.Span))
            {
                return JsonDocument.Parse(json);
            }
        }
        catch (JsonException exception)
        {
            throw new DynConvException($"{_path} is not a safetensors file: its header is not JSON.", exception);
        }

        throw new DynConvException($"{_path} is not a safetensors file: its header is not a JSON object.");
    }

    private void AddAll(JsonElement root)
    {
        foreach (JsonProperty property in Properties(root, "the header"))
        {
            if (property.Name == MetadataKey)
            {
                AddMetadata(property.Value);
            }
            else if (!_entries.TryAdd(property.Name, ParseEntry(property.Name, property.Value)))
            {
                throw Failure(property.Name, "is in the header twice");
            }
        }
    }

    private void AddMetadata(JsonElement metadata)
    {
        if (metadata.ValueKind != JsonValueKind.Object)
        {
            throw new DynConvException($"{_path}: {MetadataKey} is not a JSON object.");
        }

        foreach (JsonProperty property in Properties(metadata, MetadataKey))
        {
            if (Text(property.Value) is not { } value)
            {
                throw new DynConvException($"{_path}: '{property.Name}' in {MetadataKey} is not a string.");
            }

            if (!_metadata.TryAdd(property.Name, value))
            {
                throw new DynConvException($"{_path}: '{property.Name}' is in {MetadataKey} twice.");
            }
        }
    }

    private SafetensorsEntry ParseEntry(string name, JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object || element.GetPropertyCount() != 3 ||
            !element.TryGetProperty("dtype", out JsonElement dtype) ||
            !element.TryGetProperty("shape", out JsonElement shape) ||
            !element.TryGetProperty("data_offsets", out JsonElement offsets))
        {
            throw Failure(name, "does not have exactly dtype, shape and data_offsets in the header");
        }

        SafetensorsType type = SafetensorsTypeExtensions.Parse(Text(dtype))
            ?? throw Failure(name, $"has the unknown dtype {dtype.GetRawText()}");
        long[] dimensions = ParseNumbers(name, "shape", shape);
        long[] range = ParseNumbers(name, "data_offsets", offsets);
        if (range.Length != 2 || range[0] > range[1])
        {
            throw Failure(name, $"has data_offsets [{string.Join(", ", range)}], not a first byte and an end");
        }

        var entry = new SafetensorsEntry(name, type, Shape.Create(dimensions), range[0], range[1]);
        CheckSize(entry);
        return entry;
    }

    private long[] ParseNumbers(string name, string key, JsonElement array)
    {
        if (array.ValueKind != JsonValueKind.Array)
        {
            throw Failure(name, $"has a {key} that is not an array");
        }

        var numbers = new long[array.GetArrayLength()];
        for (int i = 0; i < numbers.Length; i++)
        {
            if (array[i].ValueKind != JsonValueKind.Number || !array[i].TryGetInt64(out numbers[i]) || numbers[i] < 0)
            {
                throw Failure(name, $"has {array[i].GetRawText()} in its {key}, not a whole number from 0");
            }
        }

        return numbers;
    }

    private void CheckSize(SafetensorsEntry entry)
    {
        long size;
        try
        {
            size = checked(entry.Shape.Count * entry.Type.SizeInBytes());
        }
        catch (OverflowException)
        {
            throw Failure(entry.Name, $"has shape {entry.Shape}, more elements than any file holds");
        }

        if (entry.End - entry.Begin != size)
        {
            throw Failure(
                entry.Name,
                $"takes {entry.End - entry.Begin} bytes, but {entry.Type.Name()} {entry.Shape} needs {size}");
        }
    }

    private void CheckLayout(long dataLength)
    {
        long end = 0;
        foreach (SafetensorsEntry entry in _entries.Values.OrderBy(e => e.Begin).ThenBy(e => e.End))
        {
            if (entry.Begin != end)
            {
                throw Failure(
                    entry.Name,
                    $"begins at byte {entry.Begin} of the data, " +
                    $"{(entry.Begin < end ? "inside another tensor" : "after a gap")} (expected {end})");
            }

            end = entry.End;
            if (end > dataLength)
            {
                throw Failure(
                    entry.Name, $"ends at byte {end} of the data, but the file holds only {dataLength}: it is truncated");
            }
        }

        if (end != dataLength)
        {
            throw new DynConvException($"{_path} holds {dataLength - end} bytes that belong to no tensor.");
        }
    }

    // A string escaped as half a surrogate pair is valid JSON that has no value; so is a name.
    private IEnumerable<JsonProperty> Properties(JsonElement element, string place)
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            bool readable = true;
            try
            {
                _ = property.Name;
            }
            catch (InvalidOperationException)
            {
                readable = false;
            }

            yield return readable
                ? property
                : throw new DynConvException($"{_path}: a name in {place} is not valid Unicode.");
        }
    }

    private static string? Text(JsonElement element)
    {
        try
        {
            return element.ValueKind == JsonValueKind.String ? element.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private DynConvException Failure(string name, string problem) => new($"{_path}: tensor '{name}' {problem}.");
}
