using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Unicode;

namespace DynConv.Training.Data;

/// <summary>What became of the search for the text in a JSON object.</summary>
internal enum JsonTextResult
{
    Found,
    Missing,
    NotString,
    NotObject,
    NotJson,
    NotUtf8,
    ByteOrderMark,
    TooDeep,

    /// <summary>The data ends inside the object, which is well-formed so far.</summary>
    Incomplete,
}

/// <summary>
/// Takes the text out of one JSON object. What belongs to other fields is passed over without judgement: numbers that JSON
/// does not have, such as NaN, and lone surrogates may stand there.
/// </summary>
/// <remarks>
/// Strings are unescaped where they stand, as what comes out is never longer, so that a document of any length is in
/// memory once. Of a field that is there twice, the last one counts.
/// </remarks>
internal ref struct JsonText
{
    private const int DeepestNesting = 1000;

    private static readonly SearchValues<byte> StringStops =
        SearchValues.Create([.. Enumerable.Range(0, 0x20).Select(static i => (byte)i), (byte)'"', (byte)'\\']);

    private static readonly SearchValues<byte> LiteralBytes =
        SearchValues.Create("+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private readonly Span<byte> _json;
    private int _at;
    private JsonTextResult _failure;
    private JsonTextResult _result;
    private int _textStart;
    private int _textLength;

    private JsonText(Span<byte> json)
    {
        _json = json;
        _result = JsonTextResult.Missing;
    }

    /// <summary>Searches one object, with white space before and after it.</summary>
    /// <param name="json">Overwritten in part.</param>
    /// <param name="field">The field's name in UTF-8; dots lead into objects.</param>
    /// <param name="text">Where the text lies in <paramref name="json"/>, in UTF-8; a lone surrogate has become U+FFFD.</param>
    public static JsonTextResult Find(Span<byte> json, ReadOnlySpan<byte> field, out Range text) =>
        Find(json, field, out text, out _);

    /// <param name="json">Overwritten in part.</param>
    /// <param name="field">The field's name in UTF-8; dots lead into objects.</param>
    /// <param name="text">Where the text lies in <paramref name="json"/>.</param>
    /// <param name="seen">Whether the field has been met, also if the object is incomplete.</param>
    public static JsonTextResult Find(Span<byte> json, ReadOnlySpan<byte> field, out Range text, out bool seen)
    {
        var reader = new JsonText(json);
        JsonTextResult result = reader.Find(field);
        text = reader._textStart..(reader._textStart + reader._textLength);
        seen = reader._result != JsonTextResult.Missing;
        return result == JsonTextResult.Found && !Utf8.IsValid(json[text]) ? JsonTextResult.NotUtf8 : result;
    }

    /// <summary>Whether what begins here is an object, or one as far as it goes.</summary>
    /// <param name="json">Overwritten in part.</param>
    /// <param name="field">The field's name in UTF-8; dots lead into objects.</param>
    /// <param name="seen">Whether the field has been met.</param>
    /// <param name="next">The first byte after it that is not white space; -1 if there is none.</param>
    public static bool IsObject(Span<byte> json, ReadOnlySpan<byte> field, out bool seen, out int next)
    {
        var reader = new JsonText(json);
        bool isObject = reader.Peek() == '{' && (reader.Object(field, 0) || reader._failure == JsonTextResult.Incomplete);
        reader.SkipSpace();
        seen = reader._result != JsonTextResult.Missing;
        next = reader.Peek();
        return isObject;
    }

    private JsonTextResult Find(ReadOnlySpan<byte> field)
    {
        if (_json is [0xEF, 0xBB, 0xBF, ..])
        {
            return JsonTextResult.ByteOrderMark;
        }

        SkipSpace();
        int start = _at;
        int first = Peek();
        bool isObject = first == '{';
        bool isWhole = isObject ? Object(field, 0) : SkipValue();
        if (!isObject && first is not ('[' or '"' or -1))
        {
            return IsLiteral(_json[start.._at]) && _json[_at..].Trim(" \t\r\n"u8).IsEmpty ? JsonTextResult.NotObject : JsonTextResult.NotJson;
        }

        if (!isWhole)
        {
            return _failure;
        }

        SkipSpace();
        return _at < _json.Length ? JsonTextResult.NotJson : isObject ? _result : JsonTextResult.NotObject;
    }

    /// <summary>Whether it is a value of JSON that is no text and has no parts, near enough.</summary>
    private static bool IsLiteral(ReadOnlySpan<byte> word) =>
        word is [(>= (byte)'0' and <= (byte)'9') or (byte)'-', ..] || word.SequenceEqual("null"u8) || word.SequenceEqual("true"u8) || word.SequenceEqual("false"u8);

    /// <summary>The next byte; -1 at the end.</summary>
    private readonly int Peek() => _at < _json.Length ? _json[_at] : -1;

    private void SkipSpace()
    {
        while (Peek() is ' ' or '\t' or '\r' or '\n')
        {
            _at++;
        }
    }

    private bool Fail(JsonTextResult failure)
    {
        _failure = failure;
        return false;
    }

    /// <summary>Something else than is wanted, or the end.</summary>
    private bool FailHere() => Fail(_at < _json.Length ? JsonTextResult.NotJson : JsonTextResult.Incomplete);

    private bool Take(byte expected)
    {
        if (Peek() != expected)
        {
            return FailHere();
        }

        _at++;
        return true;
    }

    private bool Object(ReadOnlySpan<byte> field, int depth)
    {
        _at++;
        SkipSpace();
        if (Peek() == '}')
        {
            _at++;
            return true;
        }

        while (true)
        {
            SkipSpace();
            int start = _at + 1;
            if (!String(out int length))
            {
                return false;
            }

            SkipSpace();
            if (!Take((byte)':'))
            {
                return false;
            }

            SkipSpace();
            if (!Value(_json.Slice(start, length), field, depth))
            {
                return false;
            }

            SkipSpace();
            if (Peek() == '}')
            {
                _at++;
                return true;
            }

            if (!Take((byte)','))
            {
                return false;
            }
        }
    }

    private bool Value(ReadOnlySpan<byte> key, ReadOnlySpan<byte> field, int depth)
    {
        if (key.SequenceEqual(field))
        {
            if (Peek() != '"')
            {
                _result = JsonTextResult.NotString;
                return SkipValue();
            }

            // Known before its end has been seen: the data may break off inside it.
            _result = JsonTextResult.Found;
            _textStart = _at + 1;
            return String(out _textLength);
        }

        bool leadsToField = field.Length > key.Length && field[key.Length] == '.' && field.StartsWith(key);
        return leadsToField && depth < DeepestNesting && Peek() == '{' ? Object(field[(key.Length + 1)..], depth + 1) : SkipValue();
    }

    /// <summary>A value that is passed over: brackets have to match, and the rest is hardly looked at.</summary>
    private bool SkipValue() => Peek() switch
    {
        '{' or '[' => SkipNested(),
        '"' => SkipString(),
        _ => Literal(),
    };

    private bool SkipNested()
    {
        Span<byte> open = stackalloc byte[DeepestNesting];
        int depth = 0;
        do
        {
            SkipSpace();
            int next = Peek();
            if (next is '{' or '[')
            {
                if (depth == DeepestNesting)
                {
                    return Fail(JsonTextResult.TooDeep);
                }

                open[depth++] = (byte)(next + 2);
                _at++;
            }
            else if (depth > 0 && next == open[depth - 1])
            {
                depth--;
                _at++;
            }
            else if (depth > 0 && next is ',' or ':')
            {
                _at++;
                continue;
            }
            else if (!(next == '"' ? SkipString() : Literal()))
            {
                return false;
            }
        }
        while (depth > 0);
        return true;
    }

    private bool Literal()
    {
        int length = _json[_at..].IndexOfAnyExcept(LiteralBytes);
        if (length < 0)
        {
            _at = _json.Length;
            return Fail(JsonTextResult.Incomplete);
        }

        _at += length;
        return length > 0 || FailHere();
    }

    private bool SkipString()
    {
        _at++;
        while (true)
        {
            int length = _json[_at..].IndexOfAny((byte)'"', (byte)'\\');
            if (length < 0)
            {
                _at = _json.Length;
                return Fail(JsonTextResult.Incomplete);
            }

            _at += length + 1;
            if (_json[_at - 1] == '"')
            {
                return true;
            }

            _at = Math.Min(_at + 1, _json.Length);
        }
    }

    /// <summary>A string that is unescaped in its place.</summary>
    /// <param name="length">Bytes from the one after the quotation mark on.</param>
    private bool String(out int length)
    {
        length = 0;
        if (!Take((byte)'"'))
        {
            return false;
        }

        int start = _at;
        int write = _at;
        while (true)
        {
            int plain = _json[_at..].IndexOfAny(StringStops);
            if (plain < 0)
            {
                _at = _json.Length;
                return Fail(JsonTextResult.Incomplete);
            }

            _json.Slice(_at, plain).CopyTo(_json[write..]);
            _at += plain;
            write += plain;
            byte stop = _json[_at++];
            if (stop == '"')
            {
                length = write - start;
                return true;
            }

            if (stop != '\\' || !Unescape(ref write))
            {
                return stop == '\\' ? false : Fail(JsonTextResult.NotJson);
            }
        }
    }

    private bool Unescape(ref int write)
    {
        int escaped = Peek();
        _at++;
        int plain = escaped switch
        {
            '"' or '\\' or '/' => escaped,
            'b' => '\b',
            'f' => '\f',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => -2,
            _ => -1,
        };
        if (plain >= 0)
        {
            _json[write++] = (byte)plain;
            return true;
        }

        return escaped < 0 ? Fail(JsonTextResult.Incomplete)
            : plain == -1 ? Fail(JsonTextResult.NotJson)
            : Unicode(ref write);
    }

    private bool Unicode(ref int write)
    {
        if (!Digits(out char first))
        {
            return false;
        }

        Rune rune = Rune.ReplacementChar;
        if (char.IsHighSurrogate(first) && _json[_at..] is [(byte)'\\', (byte)'u', ..])
        {
            int before = _at;
            _at += 2;
            if (!Digits(out char second))
            {
                return false;
            }

            if (!Rune.TryCreate(first, second, out rune))
            {
                // The second one is a character of its own.
                rune = Rune.ReplacementChar;
                _at = before;
            }
        }
        else if (Rune.TryCreate(first, out Rune whole))
        {
            rune = whole;
        }

        write += rune.EncodeToUtf8(_json[write..]);
        return true;
    }

    private bool Digits(out char value)
    {
        ReadOnlySpan<byte> digits = _json.Slice(_at, Math.Min(4, _json.Length - _at));
        bool parsed = Utf8Parser.TryParse(digits, out ushort number, out int used, 'x') && used == 4;
        value = (char)number;
        if (!parsed)
        {
            return Fail(digits.Length < 4 ? JsonTextResult.Incomplete : JsonTextResult.NotJson);
        }

        _at += 4;
        return true;
    }
}
