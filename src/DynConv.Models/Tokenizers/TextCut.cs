namespace DynConv.Models.Tokenizers;

/// <summary>Where a document too large for one piece may be cut.</summary>
/// <remarks>
/// Most pre-tokenizers begin a new word at a line break that follows a letter, and many at a space, whatever comes after
/// it. A cut there gives the same ids as no cut.
/// </remarks>
internal static class TextCut
{
    // Few enough that each kind has its turn before who tries them gives up.
    private const int MostOfAKind = 12;

    /// <summary>The length of the first part, from half of <paramref name="text"/> on.</summary>
    public static int Find(ReadOnlySpan<byte> text)
    {
        int cut = Last(text, static (before, after) => IsBreak(after) && char.IsAsciiLetter((char)before));
        if (cut == 0)
        {
            cut = Last(text, static (before, after) => IsBreak(after) && !char.IsWhiteSpace((char)before));
        }

        return cut > 0 ? cut : CharacterStart(text, text.Length - 1) is > 0 and int last ? last : text.Length - 1;
    }

    /// <summary>Places worth a try, the best first.</summary>
    public static IEnumerable<int> Candidates(byte[] text)
    {
        Func<byte, byte, bool>[] kinds =
        [
            static (before, after) => IsBreak(after) && char.IsAsciiLetter((char)before),
            static (before, after) => after == ' ' && char.IsAsciiLetter((char)before),
            static (before, after) => before == '\n' && after > ' ',
            static (before, after) => before > ' ' && after <= ' ',
            static (before, after) => (after & 0xC0) != 0x80,
        ];
        return kinds.SelectMany(kind => All(text, kind).Take(MostOfAKind));
    }

    /// <summary>The start of the character that an index is in.</summary>
    public static int CharacterStart(ReadOnlySpan<byte> text, int index)
    {
        // UTF-8 continues a character with bytes 10xxxxxx, three at most.
        int start = index;
        while (start < text.Length && start > 0 && start > index - 4 && (text[start] & 0xC0) == 0x80)
        {
            start--;
        }

        return start;
    }

    private static bool IsBreak(byte value) => value is (byte)'\n' or (byte)'\r';

    private static int Last(ReadOnlySpan<byte> text, Func<byte, byte, bool> fits)
    {
        for (int i = text.Length - 1; i > text.Length / 2; i--)
        {
            if (fits(text[i - 1], text[i]))
            {
                return i;
            }
        }

        return 0;
    }

    private static IEnumerable<int> All(byte[] text, Func<byte, byte, bool> fits)
    {
        for (int i = text.Length - 1; i > text.Length / 2; i--)
        {
            if (fits(text[i - 1], text[i]))
            {
                yield return i;
            }
        }
    }
}
