namespace DynConv.Models.Tokenizers;

/// <summary>Where a document too large for one piece is cut.</summary>
/// <remarks>
/// The pre-tokenizers of GPT-2 and of Llama 3 begin a new word at a line break that follows a letter, whatever comes
/// after it. A cut there gives the same ids as no cut. Text without such a place is cut at another line break, between
/// characters at worst.
/// </remarks>
internal static class TextCut
{
    /// <summary>The length of the first part, from half of <paramref name="text"/> on.</summary>
    public static int Find(ReadOnlySpan<byte> text)
    {
        int cut = LastLineBreak(text, static before => char.IsAsciiLetter((char)before));
        if (cut == 0)
        {
            cut = LastLineBreak(text, static before => !char.IsWhiteSpace((char)before));
        }

        return cut > 0 ? cut : LastCharacter(text);
    }

    private static int LastLineBreak(ReadOnlySpan<byte> text, Func<byte, bool> follows)
    {
        for (int i = text.Length - 1; i > text.Length / 2; i--)
        {
            if (text[i] is (byte)'\n' or (byte)'\r' && follows(text[i - 1]))
            {
                return i;
            }
        }

        return 0;
    }

    // UTF-8 continues a character with bytes 10xxxxxx, three at most.
    private static int LastCharacter(ReadOnlySpan<byte> text)
    {
        int cut = text.Length - 1;
        while (cut > text.Length - 4 && cut > 1 && (text[cut] & 0xC0) == 0x80)
        {
            cut--;
        }

        return cut;
    }
}
