namespace DynConv.Models.Tokenizers;

/// <summary>Finds the pieces of a pre-tokenization pattern in UTF-8 text, without an engine for regular expressions.</summary>
internal abstract class PieceScanner
{
    /// <summary>The scanner of a pattern.</summary>
    public static PieceScanner For(PretokenizerPattern pattern) => pattern switch
    {
        PretokenizerPattern.Gpt2 => new Gpt2Scanner(),
        PretokenizerPattern.Llama3 => new Llama3Scanner(mostDigits: 3),
        _ => new WholeTextScanner(),
    };

    /// <summary>The index after the piece that starts at <paramref name="start"/>, before the end of the text.</summary>
    public abstract int PieceEnd(ReadOnlySpan<byte> text, int start);

    /// <summary>
    /// The end of white space that starts at <paramref name="start"/>, by <c>\s+(?!\S)|\s+</c>: before a character
    /// that is not a space, the last space is left to it, unless there is only one.
    /// </summary>
    protected static int SpacesEnd(ReadOnlySpan<byte> text, int start)
    {
        int last = start;
        int end = start;
        while (end < text.Length && CharacterClasses.At(text, end, out int next) == CharacterClass.Space)
        {
            last = end;
            end = next;
        }

        return end == text.Length || last == start ? end : last;
    }

    private sealed class WholeTextScanner : PieceScanner
    {
        public override int PieceEnd(ReadOnlySpan<byte> text, int start) => text.Length;
    }
}
