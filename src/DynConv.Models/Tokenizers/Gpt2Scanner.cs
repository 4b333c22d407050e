namespace DynConv.Models.Tokenizers;

/// <summary>Pieces by <see cref="PretokenizerPattern.Gpt2"/>.</summary>
internal sealed class Gpt2Scanner : PieceScanner
{
    public override int PieceEnd(ReadOnlySpan<byte> text, int start)
    {
        if (text[start] == '\'' && ContractionLength(text[start..]) is > 0 and int length)
        {
            return start + length;
        }

        CharacterClass first = CharacterClasses.At(text, start, out int end);
        if (text[start] == ' ' && end < text.Length)
        {
            CharacterClass second = CharacterClasses.At(text, end, out int secondEnd);
            if (second != CharacterClass.Space)
            {
                return CharacterClasses.RunEnd(text, secondEnd, second);
            }
        }

        return first == CharacterClass.Space ? SpacesEnd(text, start) : CharacterClasses.RunEnd(text, end, first);
    }

    private static int ContractionLength(ReadOnlySpan<byte> text) => text switch
    {
        [_, (byte)'s' or (byte)'t' or (byte)'m' or (byte)'d', ..] => 2,
        [_, (byte)'r' or (byte)'v', (byte)'e', ..] => 3,
        [_, (byte)'l', (byte)'l', ..] => 3,
        _ => 0,
    };
}
