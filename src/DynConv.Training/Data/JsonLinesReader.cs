using System.Text;
using System.Text.Json;

namespace DynConv.Training.Data;

/// <summary>Reads the <c>text</c> fields of a JSON Lines file; errors name the file and the line.</summary>
internal sealed class JsonLinesReader(string name, TextStream stream)
{
    private const string Field = "text";
    private const int MaxLineBytes = 1 << 28;

    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;
    private bool _ended;
    private long _line;

    /// <summary>The UTF-8 text of the next line that is not blank; null after the last.</summary>
    public byte[]? ReadText()
    {
        while (TryNextLine(out ReadOnlyMemory<byte> line))
        {
            if (!line.Span.Trim(" \t\r"u8).IsEmpty)
            {
                return Text(line);
            }
        }

        return null;
    }

    private byte[] Text(ReadOnlyMemory<byte> line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw Failure("is not a JSON object");
            }

            if (!document.RootElement.TryGetProperty(Field, out JsonElement text))
            {
                throw Failure($"has no '{Field}' field");
            }

            return text.ValueKind == JsonValueKind.String
                ? Encoding.UTF8.GetBytes(text.GetString()!)
                : throw Failure($"has a '{Field}' field that is not a string");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new DynConvException($"{name} line {_line} is not valid JSON.", exception);
        }
    }

    private bool TryNextLine(out ReadOnlyMemory<byte> line)
    {
        _line++;
        int searched = _start;
        while (true)
        {
            int length = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n');
            if (length >= 0)
            {
                line = Take(searched + length - _start, separator: 1);
                return true;
            }

            if (_ended)
            {
                line = Take(_end - _start, separator: 0);
                return !line.IsEmpty;
            }

            int unread = _end - _start;
            Refill();
            searched = _start + unread;
        }
    }

    private ReadOnlyMemory<byte> Take(int length, int separator)
    {
        ReadOnlyMemory<byte> line = _buffer.AsMemory(_start, length);
        _start += length + separator;
        return line;
    }

    private void Refill()
    {
        int unread = _end - _start;
        if (unread >= MaxLineBytes)
        {
            throw Failure($"is longer than {MaxLineBytes} bytes");
        }

        _buffer.AsSpan(_start, unread).CopyTo(_buffer);
        if (unread == _buffer.Length)
        {
            Array.Resize(ref _buffer, 2 * _buffer.Length);
        }

        int count = stream.Read(_buffer.AsSpan(unread));
        _start = 0;
        _end = unread + count;
        _ended = _end < _buffer.Length;
    }

    private DynConvException Failure(string problem) => new($"{name} line {_line} {problem}.");
}
