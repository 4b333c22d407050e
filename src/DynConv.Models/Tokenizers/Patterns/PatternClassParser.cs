namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>Parses classes of characters, <c>[a-z&amp;&amp;[^aeiou]]</c>, which nest and intersect.</summary>
/// <param name="text">Where they stand.</param>
/// <param name="ignoreCase">Whether a letter stands for the other case too.</param>
internal sealed class PatternClassParser(PatternText text, bool ignoreCase)
{
    private readonly PatternText _text = text;
    private readonly PatternEscapes _escapes = new(text);

    /// <summary>Reads a class whose opening bracket has been read.</summary>
    public CodePointSet ParseClass()
    {
        _text.Descend("classes");
        bool negative = _text.Take('^');
        CodePointSet? intersected = null;
        CodePointSet set = CodePointSet.Empty;
        for (bool first = true; first || _text.Next != ']'; first = false)
        {
            if (_text.AtEnd)
            {
                throw new FormatException("a [ is not closed");
            }

            if (_text.Next == '&' && _text.After(1) == '&')
            {
                _text.Index += 2;
                intersected = intersected?.Intersect(set) ?? set;
                set = CodePointSet.Empty;
                continue;
            }

            set = set.Union(ParseClassItem());
        }

        _text.Index++;
        _text.Ascend();
        set = intersected?.Intersect(set) ?? set;
        if (ignoreCase)
        {
            set = CaseFolding.Close(set);
        }

        return negative ? set.Complement() : set;
    }

    private CodePointSet ParseClassItem()
    {
        int c = _text.Read();
        if (c == '[')
        {
            return _text.Next == ':' && ParsePosix() is { } posix ? posix : ParseClass();
        }

        if (c == '\\')
        {
            if (_text.AtEnd)
            {
                throw new FormatException("a [ is not closed");
            }

            c = _text.Read();
            if (_escapes.Shorthand(c) is { } set)
            {
                return set;
            }

            c = c == 'b' ? '\b' : _escapes.CodePoint(c);
        }

        if (_text.Next != '-' || _text.After(1) is -1 or ']' or '[')
        {
            return CodePointSet.Of(c);
        }

        int start = _text.Index++;
        int last = _text.Read();
        if (last == '\\')
        {
            int escaped = _text.AtEnd ? -1 : _text.Read();
            if (escaped is 's' or 'S' or 'd' or 'D' or 'w' or 'W' or 'h' or 'H' or 'p' or 'P')
            {
                // The - is a character here.
                _text.Index = start;
                return CodePointSet.Of(c);
            }

            last = escaped == 'b' ? '\b' : _escapes.CodePoint(escaped);
        }

        return last >= c ? CodePointSet.Of((c, last)) : throw new FormatException("a range in a class is the wrong way round");
    }

    private CodePointSet? ParsePosix()
    {
        int end = _text.Find(':', _text.Index + 1);
        if (end < 0 || _text.After(end + 1 - _text.Index) != ']')
        {
            return null;
        }

        string name = _text.Between(_text.Index + 1, end);
        bool negative = name.StartsWith('^');
        name = name.TrimStart('^');
        CodePointSet set = (name.Any(static c => !char.IsAsciiLetter(c)) ? null : UnicodeSets.Find(name))
            ?? throw new FormatException($"the class [:{JsonPlace.Cut(name)}:] is not known");
        _text.Index = end + 2;
        return negative ? set.Complement() : set;
    }
}
