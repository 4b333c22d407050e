using System.Text;

namespace DynConv.Training.Data;

/// <summary>Reads the texts of JSON objects, one after the other; a subclass tells where each object ends.</summary>
/// <remarks>One object has to fit into memory: 128 MiB of it at most, and no more than half as much again while it is read.</remarks>
internal abstract class JsonRecordReader(string name, TextStream stream, TextOptions options, BadLines bad)
{
    /// <summary>The longest object.</summary>
    public const int MostBytes = 1 << 27;

    private readonly byte[] _field = Encoding.UTF8.GetBytes(options.TextField);
    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;
    private bool _ended;

    protected string Name => name;

    /// <summary>The number of the object, from 1.</summary>
    protected long Number { get; set; }

    /// <summary>What the object is called in messages, with its number.</summary>
    protected abstract string Place { get; }

    /// <summary>Bytes that are in memory and not yet read.</summary>
    protected Span<byte> Unread => _buffer.AsSpan(_start, _end - _start);

    /// <summary>The UTF-8 text of the next object that has one; null after the last. Good until the next call.</summary>
    public ReadOnlyMemory<byte>? ReadText()
    {
        while (TryNext(out int length, out bool isTooLong))
        {
            Memory<byte> record = _buffer.AsMemory(_start, length);
            _start += length;
            if (isTooLong)
            {
                bad.Add(name, Place, $"is longer than {MostBytes} bytes");
                continue;
            }

            JsonTextResult result = JsonText.Find(record.Span, _field, out Range text);
            if (result == JsonTextResult.Found)
            {
                return record[text];
            }

            bad.Add(name, Place, Problem(result));
        }

        return null;
    }

    /// <summary>Finds the next object.</summary>
    /// <param name="length">How many of the unread bytes it takes; what lies before it has been passed over.</param>
    /// <param name="isTooLong">It was longer than can be read, and has been passed over.</param>
    protected abstract bool TryNext(out int length, out bool isTooLong);

    protected void Skip(int count) => _start += count;

    /// <summary>Reads more of an object whose end is not in memory; false at the end of the text.</summary>
    /// <param name="searched">How many of the unread bytes do not have the end.</param>
    /// <param name="isTooLong">Set once the object is longer than can be read; what there is of it is then passed over.</param>
    protected bool ReadOn(out int searched, ref bool isTooLong)
    {
        searched = Unread.Length;
        if (searched >= MostBytes)
        {
            isTooLong = true;
            Skip(searched);
            searched = 0;
        }

        return Refill();
    }

    /// <summary>Reads more; false at the end of the text.</summary>
    protected bool Refill()
    {
        if (_ended)
        {
            return false;
        }

        int unread = _end - _start;
        byte[] buffer = unread == _buffer.Length ? new byte[2 * unread] : _buffer;
        _buffer.AsSpan(_start, unread).CopyTo(buffer);
        _buffer = buffer;
        int wanted = _buffer.Length - unread;
        int count = stream.Read(_buffer.AsSpan(unread));
        _start = 0;
        _end = unread + count;
        _ended = count < wanted;
        return count > 0;
    }

    private string Problem(JsonTextResult result) => result switch
    {
        JsonTextResult.Missing => $"has no '{options.TextField}' field",
        JsonTextResult.NotString => $"has a '{options.TextField}' field that is not a string",
        JsonTextResult.NotObject => "is not a JSON object",
        JsonTextResult.NotUtf8 => $"has a '{options.TextField}' field that is not valid UTF-8",
        JsonTextResult.ByteOrderMark => "begins with a byte-order mark, as where files have been joined",
        JsonTextResult.TooDeep => "is nested deeper than 1000 levels",
        _ => "is not valid JSON",
    };
}
