using System.Globalization;
using System.Text;

namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>Reads the escapes that mean the same inside of classes and outside.</summary>
internal readonly struct PatternEscapes(PatternText text)
{
    private readonly PatternText _text = text;

    /// <summary>What stands for several characters; null if the escape stands for one.</summary>
    /// <param name="c">The character after the backslash.</param>
    public CodePointSet? Shorthand(int c) => c switch
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
        _text.Expect('{');
        negative ^= _text.Take('^');
        string name = _text.TakeUntil('}');
        CodePointSet set = UnicodeSets.Find(name)
            ?? throw new FormatException($"the property {JsonPlace.Cut(name)} is not known");
        return negative ? set.Complement() : set;
    }

    /// <summary>The character that an escape stands for.</summary>
    /// <param name="c">The character after the backslash.</param>
    public int CodePoint(int c)
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
            case 'x' when _text.Take('{'):
                return ParseHexadecimal(_text.TakeUntil('}'));
            case 'x':
                // Above this the digits are bytes of UTF-8 in Oniguruma.
                int value = ParseHexadecimal(_text.TakeDigits(2));
                return value < 0x80 ? value : throw new FormatException($"\\x{value:x2} is not supported; \\x{{{value:x}}} is");
            case 'u':
                return ParseHexadecimal(_text.TakeDigits(4));
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
}
