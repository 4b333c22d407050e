using System.Globalization;
using System.Text;
using System.Text.Json;

namespace DynConv.Cli.Commands;

/// <summary>Reads a JSON string, half characters (<c>"\ud800"</c>) as U+FFFD.</summary>
internal static class JsonString
{
    /// <summary>The string as UTF-8; null if the JSON is something else or malformed.</summary>
    public static byte[]? Read(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            return reader.Read() && reader.TokenType == JsonTokenType.String ? Finish(reader) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static byte[]? Finish(Utf8JsonReader reader)
    {
        byte[] text = reader.ValueSpan.ToArray();
        bool isEscaped = reader.ValueIsEscaped;
        return reader.Read() ? null : isEscaped ? Unescape(Encoding.UTF8.GetString(text)) : text;
    }

    // The reader has made sure that escapes are whole.
    private static byte[] Unescape(string text)
    {
        var plain = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                plain.Append(text[i]);
                continue;
            }

            char kind = text[++i];
            if (kind == 'u')
            {
                plain.Append((char)int.Parse(text.AsSpan(i + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
                i += 4;
            }
            else
            {
                plain.Append(kind switch { 'b' => '\b', 'f' => '\f', 'n' => '\n', 'r' => '\r', 't' => '\t', _ => kind });
            }
        }

        return Encoding.UTF8.GetBytes(plain.ToString());
    }
}
