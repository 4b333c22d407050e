using System.Buffers;

namespace DynConv.Training.Data;

/// <summary>
/// Reads JSON objects that lie in an array, or one after the other, however they are spread over lines. Where the array
/// itself is malformed nothing after it can be told, and that is an error in any case.
/// </summary>
internal sealed class JsonElementsReader(string name, TextStream stream, TextOptions options, BadLines bad)
    : JsonRecordReader(name, stream, options, bad)
{
    private static readonly SearchValues<byte> InsideStops = SearchValues.Create("\"{}[]"u8);
    private static readonly SearchValues<byte> OutsideStops = SearchValues.Create("\"{}[], \t\r\n"u8);

    private bool _inArray;
    private bool _isFirst;

    protected override string Place => $"element {Number}";

    protected override bool TryNext(out int length, out bool isTooLong)
    {
        isTooLong = false;
        length = 0;
        while (true)
        {
            int next = NextVisible();
            switch (next)
            {
                case < 0 when !_inArray:
                    return false;
                case '[' when !_inArray:
                    (_inArray, _isFirst) = (true, true);
                    Skip(1);
                    continue;
                case ']' when _inArray:
                    _inArray = false;
                    Skip(1);
                    continue;
                case ',' when _inArray && !_isFirst:
                    Skip(1);
                    next = NextVisible();
                    break;
                default:
                    if (_inArray && !_isFirst)
                    {
                        throw Malformed(next);
                    }

                    break;
            }

            if (next < 0 || next is ',' or ']' or '}' || (!_inArray && next != '{'))
            {
                throw Malformed(next);
            }

            _isFirst = false;
            Number++;
            length = FindEnd(ref isTooLong);
            return true;
        }
    }

    /// <summary>The next byte that is not white space; -1 at the end.</summary>
    private int NextVisible()
    {
        do
        {
            int blank = Unread.IndexOfAnyExcept(" \t\r\n"u8);
            if (blank >= 0)
            {
                Skip(blank);
                return Unread[0];
            }

            Skip(Unread.Length);
        }
        while (Refill());
        return -1;
    }

    private int FindEnd(ref bool isTooLong)
    {
        int depth = 0;
        bool inString = false;
        int searched = 0;
        while (true)
        {
            while (NextStop(searched, inString, depth) is >= 0 and var stop)
            {
                byte found = Unread[stop];
                searched = stop + 1;
                if (found == '\\')
                {
                    // Whatever is escaped, it ends nothing.
                    while (searched >= Unread.Length && Refill())
                    {
                    }

                    searched = Math.Min(searched + 1, Unread.Length);
                    continue;
                }

                if (!inString && depth == 0 && found is not ((byte)'"' or (byte)'{' or (byte)'['))
                {
                    // A number or a word ends before what comes after it.
                    return stop;
                }

                inString = found == '"' ? !inString : inString;
                depth += found is (byte)'{' or (byte)'[' ? 1 : found is (byte)'}' or (byte)']' ? -1 : 0;
                if (depth == 0 && !inString)
                {
                    return searched;
                }
            }

            if (!ReadOn(out searched, ref isTooLong))
            {
                return depth == 0 && !inString && !_inArray ? searched : throw Malformed(-1);
            }
        }
    }

    /// <summary>Where something comes next that decides; -1 if the bytes that are there have none.</summary>
    private int NextStop(int searched, bool inString, int depth)
    {
        ReadOnlySpan<byte> rest = Unread[searched..];
        int stop = inString ? rest.IndexOfAny((byte)'"', (byte)'\\')
            : rest.IndexOfAny(depth > 0 ? InsideStops : OutsideStops);
        return stop < 0 ? -1 : searched + stop;
    }

    private DynConvException Malformed(int found) => new(found < 0
        ? $"{Name} is not whole JSON: it ends inside or after element {Number}."
        : $"{Name} is not valid JSON after element {Number}.");
}
