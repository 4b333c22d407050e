using System.Text;

namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>The characters of a pattern, and how far they have been read.</summary>
internal sealed class PatternText(string pattern)
{
    private const int DeepestNesting = 100;

    private readonly int[] _text = [.. pattern.EnumerateRunes().Select(static rune => rune.Value)];
    private int _depth;

    /// <summary>The place of the next character.</summary>
    public int Index { get; set; }

    /// <summary>Whether all has been read.</summary>
    public bool AtEnd => Index == _text.Length;

    /// <summary>The next character; -1 at the end.</summary>
    public int Next => After(0);

    /// <summary>The character that many after the next one; -1 beyond the end.</summary>
    public int After(int count) => Index + count < _text.Length ? _text[Index + count] : -1;

    /// <summary>Reads the next character, which has to be there.</summary>
    public int Read() => _text[Index++];

    /// <summary>Goes into what may be nested, and refuses to go too deep.</summary>
    /// <param name="what">In the plural, as in <c>groups</c>.</param>
    public void Descend(string what)
    {
        if (++_depth > DeepestNesting)
        {
            throw new FormatException($"{what} are nested more than {DeepestNesting} deep");
        }
    }

    /// <summary>Comes back out.</summary>
    public void Ascend() => _depth--;

    /// <summary>Reads a character if it is the next one.</summary>
    public bool Take(int c)
    {
        if (Next != c)
        {
            return false;
        }

        Index++;
        return true;
    }

    /// <summary>Reads a character that has to be the next one.</summary>
    public void Expect(int c)
    {
        if (!Take(c))
        {
            throw new FormatException(c == ')' ? "a group is not closed" : $"a {(char)c} is missing");
        }
    }

    /// <summary>Reads up to a character and that too, which is left out of the result.</summary>
    public string TakeUntil(int end)
    {
        int found = Find(end, Index);
        if (found < 0)
        {
            throw new FormatException($"a {(char)end} is missing");
        }

        string text = Between(Index, found);
        Index = found + 1;
        return text;
    }

    /// <summary>Reads hexadecimal digits.</summary>
    public string TakeDigits(int most)
    {
        int start = Index;
        while (Index < start + most && Next is int c && c < 0x80 && char.IsAsciiHexDigit((char)c))
        {
            Index++;
        }

        return Between(start, Index);
    }

    /// <summary>Where a character stands from a place on; -1 if it does not.</summary>
    public int Find(int c, int start) => Array.IndexOf(_text, c, start);

    /// <summary>The text between two places.</summary>
    public string Between(int start, int end) =>
        string.Concat(_text[start..end].Select(static c => new Rune(c).ToString()));
}
