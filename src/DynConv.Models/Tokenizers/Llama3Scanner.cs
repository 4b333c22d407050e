namespace DynConv.Models.Tokenizers;

/// <summary>
/// Pieces by <see cref="PretokenizerPattern.Llama3"/>, and by the same pattern with other numbers, as Qwen and nanochat have it.
/// </summary>
/// <param name="mostDigits">How many digits a piece has at most.</param>
internal sealed class Llama3Scanner(int mostDigits) : PieceScanner
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        if (text[start] == '\'' && ContractionLength(text[start..]) is > 0 and int length)
        {
            return start + length;
        }

        CharacterClass first = CharacterClasses.At(text, start, out int end);
        if (first == CharacterClass.Letter)
        {
            return CharacterClasses.RunEnd(text, end, CharacterClass.Letter);
        }

        if (first == CharacterClass.Number)
        {
            return NumberEnd(text, start);
        }

        // Here first is a symbol or white space, either of which may lead a word; only a space may lead symbols.
        bool followed = end < text.Length;
        int secondEnd = end;
        CharacterClass second = followed ? CharacterClasses.At(text, end, out secondEnd) : CharacterClass.Space;
        if (second == CharacterClass.Letter && !IsNewline(text[start]))
        {
            return CharacterClasses.RunEnd(text, secondEnd, CharacterClass.Letter);
        }

        if (first == CharacterClass.Symbol || (text[start] == ' ' && second == CharacterClass.Symbol))
        {
            return NewlinesEnd(text, CharacterClasses.RunEnd(text, end, CharacterClass.Symbol));
        }

        int spacesEnd = CharacterClasses.RunEnd(text, end, CharacterClass.Space);
        int newline = text[start..spacesEnd].LastIndexOfAny((byte)'\r', (byte)'\n');
        return newline >= 0 ? start + newline + 1 : SpacesEnd(text, start);
    }

    private int NumberEnd(ReadOnlySpan<byte> text, int end)
    {
        for (int digits = 0; digits < mostDigits && end < text.Length; digits++)
        {
            if (CharacterClasses.At(text, end, out int next) != CharacterClass.Number)
            {
                break;
            }

            end = next;
        }

        return end;
    }

    private static int NewlinesEnd(ReadOnlySpan<byte> text, int end)
    {
        while (end < text.Length && IsNewline(text[end]))
        {
            end++;
        }

        return end;
    }

    private static bool IsNewline(byte value) => value is (byte)'\r' or (byte)'\n';

    private static int ContractionLength(ReadOnlySpan<byte> text) => text switch
    {
        [_, (byte)'s' or (byte)'S' or (byte)'t' or (byte)'T', ..] => 2,
        [_, (byte)'m' or (byte)'M' or (byte)'d' or (byte)'D', ..] => 2,
        [_, (byte)'r' or (byte)'R' or (byte)'v' or (byte)'V', (byte)'e' or (byte)'E', ..] => 3,
        [_, (byte)'l' or (byte)'L', (byte)'l' or (byte)'L', ..] => 3,
        [_, 0xC5, 0xBF, ..] => 3,
        _ => 0,
    };
}
