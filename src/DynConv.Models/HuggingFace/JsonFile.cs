using System.Text.Json;
using System.Text.Json.Nodes;

namespace DynConv.Models.HuggingFace;

/// <summary>Reads the small JSON files of a model's folder, which anybody may have written.</summary>
internal static class JsonFile
{
    private const int MostBytes = 16 << 20;

    /// <summary>Reads a file whose root is an object.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DynConvException">It cannot be read or is none; the message begins with its path.</exception>
    public static JsonSection Read(string path)
    {
        try
        {
            return Parse(Bytes(path));
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{path}: {exception.Message}", exception);
        }
        catch (JsonException exception)
        {
            throw new DynConvException($"{path} is not valid JSON: {Place(exception)}.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Reads a text whose root is an object.</summary>
    /// <param name="utf8">The text, with a byte order mark or without.</param>
    /// <exception cref="DynConvException">It is no object, or a text in it is not valid Unicode.</exception>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public static JsonSection Parse(ReadOnlySpan<byte> utf8)
    {
        ReadOnlySpan<byte> json = WithNumbers(utf8 is [0xEF, 0xBB, 0xBF, ..] ? utf8[3..] : utf8);
        CheckTexts(json);
        JsonNode? node = JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
        return new JsonSection(node as JsonObject ?? throw new DynConvException("A JSON object is wanted here."));
    }

    /// <summary>
    /// The text with a number for each <c>Infinity</c> outside of strings, which is no JSON and which Python writes all the same. The
    /// number is as long, so that places in messages stay right.
    /// </summary>
    private static ReadOnlySpan<byte> WithNumbers(ReadOnlySpan<byte> json)
    {
        ReadOnlySpan<byte> word = "Infinity"u8;
        if (json.IndexOf(word) < 0)
        {
            return json;
        }

        byte[] changed = json.ToArray();
        bool inside = false;
        for (int i = 0; i < changed.Length; i++)
        {
            if (inside && changed[i] == '\\')
            {
                i++;
            }
            else if (changed[i] == '"')
            {
                inside = !inside;
            }
            else if (!inside && json[i..].StartsWith(word))
            {
                "1e999999"u8.CopyTo(changed.AsSpan(i));
            }
        }

        return changed;
    }

    /// <summary>
    /// Refuses half of a surrogate pair: it is valid JSON that has no value, and fails only when somebody reads the text.
    /// </summary>
    private static void CheckTexts(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        var keys = new Stack<string>();
        string key = "";
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    key = Text(ref reader, $"A key in {Name(keys, "")}");
                    break;
                case JsonTokenType.String:
                    Text(ref reader, Name(keys, key));
                    break;
                case JsonTokenType.StartObject or JsonTokenType.StartArray:
                    keys.Push(key);
                    key = "";
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    key = keys.Pop();
                    break;
            }
        }
    }

    private static string Text(ref Utf8JsonReader reader, string name)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new DynConvException($"{name} is not valid Unicode: it has half of a surrogate pair or broken UTF-8.", exception);
        }
    }

    private static string Name(Stack<string> keys, string key)
    {
        string name = string.Join('.', keys.Reverse().Append(key).Where(static part => part.Length > 0));
        return name.Length > 0 ? name : "the file";
    }

    private static byte[] Bytes(string path)
    {
        using FileStream file = File.OpenRead(path);
        using var text = new MemoryStream();
        var buffer = new byte[1 << 14];
        for (int count = file.Read(buffer); count > 0; count = file.Read(buffer))
        {
            text.Write(buffer, 0, count);
            if (text.Length > MostBytes)
            {
                throw new DynConvException($"The file is larger than {MostBytes >> 20} MiB, and no configuration is.");
            }
        }

        return text.ToArray();
    }

    private static string Place(JsonException exception) => exception is { LineNumber: { } line, BytePositionInLine: { } position }
        ? $"line {line + 1}, byte {position + 1}"
        : "a key is there twice";
}
