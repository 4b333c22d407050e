using System.Text;

namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>
/// Parses regular expressions in the syntax of Oniguruma, which is that of Ruby: <c>^</c> and <c>$</c> are ends of lines,
/// <c>(?m)</c> lets a dot match a line break, <c>\h</c> is a hexadecimal digit, classes nest and intersect.
/// </summary>
internal sealed class PatternParser
{
    private const int MostRepeats = 1000;

    private readonly PatternText _text;
    private readonly PatternEscapes _escapes;
    private Options _options;

    private PatternParser(string pattern)
    {
        _text = new PatternText(pattern);
        _escapes = new PatternEscapes(_text);
    }

    /// <summary>Parses a pattern.</summary>
    /// <exception cref="FormatException">It is malformed or needs what is not supported; the message is a phrase.</exception>
    public static PatternNode Parse(string pattern)
    {
        var parser = new PatternParser(pattern);
        PatternNode node = parser.ParseAlternatives();
        return parser._text.AtEnd ? node : throw new FormatException("a ) closes nothing");
    }

    private PatternNode ParseAlternatives()
    {
        _text.Descend("groups");
        Options outer = _options;
        List<PatternNode> parts = [ParseSequence()];
        while (_text.Take('|'))
        {
            parts.Add(ParseSequence());
        }

        _options = outer;
        _text.Ascend();
        return parts.Count == 1 ? parts[0] : new PatternNode.Alternatives(parts);
    }

    private PatternNode ParseSequence()
    {
        List<PatternNode> parts = [];
        while (!_text.AtEnd && _text.Next is not ('|' or ')'))
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

        CaseFolding.CheckSupported(parts);
        return parts.Count == 1 ? parts[0] : new PatternNode.Sequence(parts);
    }

    private bool SkipComment()
    {
        if (_text.Next == '#')
        {
            while (!_text.AtEnd && _text.Next != '\n')
            {
                _text.Index++;
            }

            return true;
        }

        if (_text.Next is ' ' or '\t' or '\n' or '\r' or '\f' or '\v')
        {
            _text.Index++;
            return true;
        }

        return false;
    }

    private PatternNode? ParseItem()
    {
        int c = _text.Read();
        return c switch
        {
            '(' => ParseGroup(),
            '[' => new PatternNode.Character(new PatternClassParser(_text, _options.HasFlag(Options.IgnoreCase)).ParseClass()),
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
        if (!_text.Take('?'))
        {
            return _text.Next == '*' ? throw new FormatException("callouts (*…) are not supported") : Close(ParseAlternatives());
        }

        int kind = _text.AtEnd ? -1 : _text.Read();
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
                while (!_text.AtEnd && _text.Next != ')')
                {
                    _text.Index++;
                }

                _text.Expect(')');
                return null;
            case '<' when _text.Next is '=' or '!':
                bool negative = _text.Read() == '!';
                return new PatternNode.Look(Close(ParseAlternatives()), Behind: true, negative);
            case '<' or '\'':
                _text.TakeUntil(kind == '<' ? '>' : '\'');
                return Close(ParseAlternatives());
            case '-' or 'i' or 'm' or 'x':
                _text.Index--;
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
        while (!_text.AtEnd)
        {
            int c = _text.Read();
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
        while (!_text.AtEnd)
        {
            int start = _text.Index;
            if (ParseRange() is not var (least, most, isInterval))
            {
                _text.Index = start;
                return node;
            }

            if (node is PatternNode.Assertion or PatternNode.Look)
            {
                throw new FormatException("what has no length is repeated");
            }

            RepeatKind kind = RepeatKind.Greedy;
            if (_text.Take('?'))
            {
                kind = isInterval && least == most
                    ? throw new FormatException($"{{{least}}}? is not supported")
                    : RepeatKind.Lazy;
            }
            else if (!isInterval && _text.Take('+'))
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
        switch (_text.Read())
        {
            case '*':
                return (0, null, false);
            case '+':
                return (1, null, false);
            case '?':
                return (0, 1, false);
            case '{':
                int? least = ParseNumber();
                bool comma = _text.Take(',');
                int? most = comma ? ParseNumber() : least;
                if ((least is null && most is null) || !_text.Take('}'))
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
        int start = _text.Index;
        int number = 0;
        while (_text.Next is >= '0' and <= '9')
        {
            number = Math.Min(MostRepeats + 1, (number * 10) + _text.Read() - '0');
        }

        return _text.Index > start ? number : null;
    }

    private PatternNode ParseEscape()
    {
        if (_text.AtEnd)
        {
            throw new FormatException("a \\ stands at the end");
        }

        int c = _text.Read();
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
                return _escapes.Shorthand(c) is { } set ? new PatternNode.Character(set) : Literal(_escapes.CodePoint(c));
        }
    }

    private PatternNode.Character Literal(int c) => _options.HasFlag(Options.IgnoreCase)
        ? new PatternNode.Character(CaseFolding.Close(CodePointSet.Of(c))) { Caseless = c }
        : new PatternNode.Character(CodePointSet.Of(c));

    private PatternNode Close(PatternNode node)
    {
        _text.Expect(')');
        return node;
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
