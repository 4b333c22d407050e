using System.Globalization;
using System.Text;

namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>
/// Parses regular expressions in the syntax of Oniguruma, which is that of Ruby: <c>^</c> and <c>$</c> are ends of lines,
/// <c>(?m)</c> lets a dot match a line break, <c>\h</c> is a hexadecimal digit, classes nest and intersect.
/// </summary>
internal sealed class PatternParser
{
    private const int DeepestNesting = 100;
    private const int MostRepeats = 1000;

    // Letters whose case folding has several characters, and the ends of pairs that are folded to from one.
    private const string Ligatures = "ßẞŉǰΐΰևﬀﬁﬂﬃﬄﬅﬆ";
    private static readonly string[] FoldedPairs = ["ss", "ff", "fi", "fl", "st"];

    private readonly int[] _text;
    private int _index;
    private int _depth;
    private Options _options;

    private PatternParser(string pattern) => _text = [.. pattern.EnumerateRunes().Select(static rune => rune.Value)];

    /// <summary>Parses a pattern.</summary>
    /// <exception cref="FormatException">It is malformed or needs what is not supported; the message is a phrase.</exception>
    public static PatternNode Parse(string pattern)
    {
        var parser = new PatternParser(pattern);
        PatternNode node = parser.ParseAlternatives();
        return parser.AtEnd ? node : throw new FormatException("a ) closes nothing");
    }

    private bool AtEnd => _index == _text.Length;

    private int Next => _index < _text.Length ? _text[_index] : -1;

    private PatternNode ParseAlternatives()
    {
        if (++_depth > DeepestNesting)
        {
            throw new FormatException($"groups are nested more than {DeepestNesting} deep");
        }

        Options outer = _options;
        List<PatternNode> parts = [ParseSequence()];
        while (Take('|'))
        {
            parts.Add(ParseSequence());
        }

        _options = outer;
        _depth--;
        return parts.Count == 1 ? parts[0] : new PatternNode.Alternatives(parts);
    }

    private PatternNode ParseSequence()
    {
        List<PatternNode> parts = [];
        while (!AtEnd && Next is not ('|' or ')'))
        {
            if (_options.HasFlag(Options.Extended) && SkipComment())
            {
                continue;
            }

            if (ParseItem() is { } item)
            {
                parts.Add(ParseQuantifiers(item));
            }
        }

        CheckFolding(parts);
        return parts.Count == 1 ? parts[0] : new PatternNode.Sequence(parts);
    }

    private bool SkipComment()
    {
        if (Next == '#')
        {
            while (!AtEnd && Next != '\n')
            {
                _index++;
            }

            return true;
        }

        if (Next is ' ' or '\t' or '\n' or '\r' or '\f' or '\v')
        {
            _index++;
            return true;
        }

        return false;
    }

    private PatternNode? ParseItem()
    {
        int c = _text[_index++];
        return c switch
        {
            '(' => ParseGroup(),
            '[' => new PatternNode.Character(ParseClass()),
            '.' => new PatternNode.Character(
                _options.HasFlag(Options.DotAll) ? CodePointSet.All : CodePointSet.Of('\n').Complement()),
            '^' => new PatternNode.Assertion(PlaceKind.LineStart),
            '$' => new PatternNode.Assertion(PlaceKind.LineEnd),
            '\\' => ParseEscape(),
            '*' or '+' or '?' => throw new FormatException($"a {(char)c} repeats nothing"),
            _ => Literal(c),
        };
    }

    private PatternNode? ParseGroup()
    {
        if (!Take('?'))
        {
            return Next == '*' ? throw new FormatException("callouts (*…) are not supported") : Close(ParseAlternatives());
        }

        int kind = AtEnd ? -1 : _text[_index++];
        switch (kind)
        {
            case ':':
                return Close(ParseAlternatives());
            case '=':
                return new PatternNode.Look(Close(ParseAlternatives()), Behind: false, Negative: false);
            case '!':
                return new PatternNode.Look(Close(ParseAlternatives()), Behind: false, Negative: true);
            case '>':
                return new PatternNode.Atomic(Close(ParseAlternatives()));
            case '#':
                while (!AtEnd && Next != ')')
                {
                    _index++;
                }

                Expect(')');
                return null;
            case '<' when Next is '=' or '!':
                bool negative = _text[_index++] == '!';
                return new PatternNode.Look(Close(ParseAlternatives()), Behind: true, negative);
            case '<' or '\'':
                SkipName(kind == '<' ? '>' : '\'');
                return Close(ParseAlternatives());
            case '-' or 'i' or 'm' or 'x':
                _index--;
                return ParseOptions();
            case '~':
                throw new FormatException("the absent operator (?~…) is not supported");
            default:
                throw new FormatException($"groups that begin with (?{Show(kind)} are not supported");
        }
    }

    private PatternNode? ParseOptions()
    {
        Options options = _options;
        bool on = true;
        while (!AtEnd)
        {
            int c = _text[_index++];
            switch (c)
            {
                case '-':
                    on = false;
                    break;
                case 'i':
                    options = Set(options, Options.IgnoreCase, on);
                    break;
                case 'm':
                    options = Set(options, Options.DotAll, on);
                    break;
                case 'x':
                    options = Set(options, Options.Extended, on);
                    break;
                case ':' or ')':
                    Options outer = _options;
                    _options = options;
                    PatternNode node = ParseAlternatives();
                    _options = outer;
                    return c == ':' ? Close(node) : node;
                default:
                    throw new FormatException($"the option {Show(c)} is not supported");
            }
        }

        throw new FormatException("a group is not closed");
    }

    private PatternNode ParseQuantifiers(PatternNode node)
    {
        while (!AtEnd)
        {
            int start = _index;
            if (ParseRange() is not var (least, most, isInterval))
            {
                _index = start;
                return node;
            }

            if (node is PatternNode.Assertion or PatternNode.Look)
            {
                throw new FormatException("what has no length is repeated");
            }

            RepeatKind kind = RepeatKind.Greedy;
            if (Take('?'))
            {
                kind = isInterval && least == most
                    ? throw new FormatException($"{{{least}}}? is not supported")
                    : RepeatKind.Lazy;
            }
            else if (!isInterval && Take('+'))
            {
                // A + after {n,m} repeats once more in this syntax.
                kind = RepeatKind.Possessive;
            }

            node = new PatternNode.Repeat(node, least, most, kind);
        }

        return node;
    }

    private (int Least, int? Most, bool IsInterval)? ParseRange()
    {
        switch (_text[_index++])
        {
            case '*':
                return (0, null, false);
            case '+':
                return (1, null, false);
            case '?':
                return (0, 1, false);
            case '{':
                int? least = ParseNumber();
                bool comma = Take(',');
                int? most = comma ? ParseNumber() : least;
                if ((least is null && most is null) || !Take('}'))
                {
                    return null;
                }

                if (most < (least ?? 0) || (most ?? least ?? 0) > MostRepeats)
                {
                    throw new FormatException($"repeats must be in order and at most {MostRepeats}");
                }

                return (least ?? 0, most, true);
            default:
                return null;
        }
    }

    private int? ParseNumber()
    {
        int start = _index;
        int number = 0;
        while (Next is >= '0' and <= '9')
        {
            number = Math.Min(MostRepeats + 1, (number * 10) + _text[_index++] - '0');
        }

        return _index > start ? number : null;
    }

    private PatternNode ParseEscape()
    {
        if (AtEnd)
        {
            throw new FormatException("a \\ stands at the end");
        }

        int c = _text[_index++];
        switch (c)
        {
            case 'A':
                return new PatternNode.Assertion(PlaceKind.TextStart);
            case 'z':
                return new PatternNode.Assertion(PlaceKind.TextEnd);
            case 'Z':
                return new PatternNode.Assertion(PlaceKind.LastLineEnd);
            case 'b':
                return new PatternNode.Assertion(PlaceKind.WordBoundary);
            case 'B':
                return new PatternNode.Assertion(PlaceKind.NoWordBoundary);
            case 'G':
                return new PatternNode.Assertion(PlaceKind.SearchStart);
            case 'N':
                return new PatternNode.Character(CodePointSet.Of('\n').Complement());
            case 'O':
                return new PatternNode.Character(CodePointSet.All);
            case 'R':
                return new PatternNode.Atomic(new PatternNode.Alternatives(
                [
                    new PatternNode.Sequence([
                        new PatternNode.Character(CodePointSet.Of('\r')), new PatternNode.Character(CodePointSet.Of('\n'))]),
                    new PatternNode.Character(CodePointSet.Of((0x0A, 0x0D), (0x85, 0x85), (0x2028, 0x2029))),
                ]));
            case 'k' or 'g' or (>= '1' and <= '9'):
                throw new FormatException("references to groups are not supported");
            case 'K' or 'X' or 'y' or 'Y' or 'M' or 'C' or 'c':
                throw new FormatException($"\\{(char)c} is not supported");
            default:
                return ParseShorthand(c) is { } set ? new PatternNode.Character(set) : Literal(ParseCodePoint(c));
        }
    }

    // The escapes that stand for several characters, inside of classes and outside.
    private CodePointSet? ParseShorthand(int c) => c switch
    {
        's' => UnicodeSets.Space,
        'S' => UnicodeSets.Space.Complement(),
        'd' => UnicodeSets.Find("nd"),
        'D' => UnicodeSets.Find("nd")!.Complement(),
        'w' => UnicodeSets.Word,
        'W' => UnicodeSets.Word.Complement(),
        'h' => UnicodeSets.Find("xdigit"),
        'H' => UnicodeSets.Find("xdigit")!.Complement(),
        'p' => ParseProperty(negative: false),
        'P' => ParseProperty(negative: true),
        _ => null,
    };

    private CodePointSet ParseProperty(bool negative)
    {
        Expect('{');
        negative ^= Take('^');
        string name = TakeUntil('}');
        CodePointSet set = UnicodeSets.Find(name)
            ?? throw new FormatException($"the property {JsonPlace.Cut(name)} is not known");
        return negative ? set.Complement() : set;
    }

    private int ParseCodePoint(int c)
    {
        switch (c)
        {
            case 't':
                return '\t';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 'f':
                return '\f';
            case 'v':
                return '\v';
            case 'a':
                return '\a';
            case 'e':
                return 0x1B;
            case 'x' when Take('{'):
                return ParseHexadecimal(TakeUntil('}'));
            case 'x':
                // Above this the digits are bytes of UTF-8 in Oniguruma.
                int value = ParseHexadecimal(TakeDigits(2));
                return value < 0x80 ? value : throw new FormatException($"\\x{value:x2} is not supported; \\x{{{value:x}}} is");
            case 'u':
                return ParseHexadecimal(TakeDigits(4));
            case '0':
                return 0;
            case (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or (>= '1' and <= '9'):
                throw new FormatException($"\\{(char)c} is not supported");
            default:
                return c;
        }
    }

    private static int ParseHexadecimal(string digits) =>
        int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) && Rune.IsValid(value)
            ? value
            : throw new FormatException($"{JsonPlace.Cut(digits)} is not the number of a character");

    private CodePointSet ParseClass()
    {
        if (++_depth > DeepestNesting)
        {
            throw new FormatException($"classes are nested more than {DeepestNesting} deep");
        }

        bool negative = Take('^');
        CodePointSet? intersected = null;
        CodePointSet set = CodePointSet.Empty;
        for (bool first = true; first || Next != ']'; first = false)
        {
            if (AtEnd)
            {
                throw new FormatException("a [ is not closed");
            }

            if (Next == '&' && _index + 1 < _text.Length && _text[_index + 1] == '&')
            {
                _index += 2;
                intersected = intersected?.Intersect(set) ?? set;
                set = CodePointSet.Empty;
                continue;
            }

            set = set.Union(ParseClassItem());
        }

        _index++;
        _depth--;
        set = intersected?.Intersect(set) ?? set;
        if (_options.HasFlag(Options.IgnoreCase))
        {
            set = CaseFolding.Close(set);
        }

        return negative ? set.Complement() : set;
    }

    private CodePointSet ParseClassItem()
    {
        int c = _text[_index++];
        if (c == '[')
        {
            return Next == ':' && ParsePosix() is { } posix ? posix : ParseClass();
        }

        if (c == '\\')
        {
            if (AtEnd)
            {
                throw new FormatException("a [ is not closed");
            }

            c = _text[_index++];
            if (ParseShorthand(c) is { } set)
            {
                return set;
            }

            c = c == 'b' ? '\b' : ParseCodePoint(c);
        }

        if (Next != '-' || _index + 1 >= _text.Length || _text[_index + 1] is ']' or '[')
        {
            return CodePointSet.Of(c);
        }

        int start = _index++;
        int last = _text[_index++];
        if (last == '\\')
        {
            int escaped = AtEnd ? -1 : _text[_index++];
            if (escaped is 's' or 'S' or 'd' or 'D' or 'w' or 'W' or 'h' or 'H' or 'p' or 'P')
            {
                // The - is a character here.
                _index = start;
                return CodePointSet.Of(c);
            }

            last = escaped == 'b' ? '\b' : ParseCodePoint(escaped);
        }

        return last >= c ? CodePointSet.Of((c, last)) : throw new FormatException("a range in a class is the wrong way round");
    }

    private CodePointSet? ParsePosix()
    {
        int end = Array.IndexOf(_text, ':', _index + 1);
        if (end < 0 || end + 1 >= _text.Length || _text[end + 1] != ']')
        {
            return null;
        }

        string name = Text(_index + 1, end);
        bool negative = name.StartsWith('^');
        name = name.TrimStart('^');
        CodePointSet set = (name.Any(static c => !char.IsAsciiLetter(c)) ? null : UnicodeSets.Find(name))
            ?? throw new FormatException($"the class [:{JsonPlace.Cut(name)}:] is not known");
        _index = end + 2;
        return negative ? set.Complement() : set;
    }

    private PatternNode.Character Literal(int c) => _options.HasFlag(Options.IgnoreCase)
        ? new PatternNode.Character(CaseFolding.Close(CodePointSet.Of(c))) { Caseless = c }
        : new PatternNode.Character(CodePointSet.Of(c));

    // Oniguruma lets two letters match one that folds to them, as ss matches ß; here one stands for one.
    private static void CheckFolding(List<PatternNode> parts)
    {
        for (int i = 0; i < parts.Count; i++)
        {
            if (parts[i] is not PatternNode.Character { Caseless: int c })
            {
                continue;
            }

            string pair = i + 1 < parts.Count && parts[i + 1] is PatternNode.Character { Caseless: int next }
                ? $"{new Rune(c)}{new Rune(next)}".ToLowerInvariant()
                : "";
            if (FoldedPairs.Contains(pair) || Ligatures.Contains(new Rune(c).ToString(), StringComparison.Ordinal))
            {
                throw new FormatException($"{(pair.Length > 0 ? pair : new Rune(c).ToString())} is not supported where case is ignored");
            }
        }
    }

    private PatternNode Close(PatternNode node)
    {
        Expect(')');
        return node;
    }

    private void SkipName(int end) => TakeUntil(end);

    private string TakeUntil(int end)
    {
        int found = Array.IndexOf(_text, end, _index);
        if (found < 0)
        {
            throw new FormatException($"a {(char)end} is missing");
        }

        string text = Text(_index, found);
        _index = found + 1;
        return text;
    }

    private string TakeDigits(int most)
    {
        int start = _index;
        while (_index < start + most && Next is int c && c < 0x80 && char.IsAsciiHexDigit((char)c))
        {
            _index++;
        }

        return Text(start, _index);
    }

    private string Text(int start, int end) =>
        string.Concat(_text[start..end].Select(static c => new Rune(c).ToString()));

    private bool Take(int c)
    {
        if (Next != c)
        {
            return false;
        }

        _index++;
        return true;
    }

    private void Expect(int c)
    {
        if (!Take(c))
        {
            throw new FormatException(c == ')' ? "a group is not closed" : $"a {(char)c} is missing");
        }
    }

    private static string Show(int c) => c < 0 ? "" : JsonPlace.Cut(new Rune(c).ToString());

    private static Options Set(Options options, Options option, bool on) => on ? options | option : options & ~option;

    [Flags]
    private enum Options
    {
        None = 0,
        IgnoreCase = 1,
        DotAll = 2,
        Extended = 4,
    }
}
