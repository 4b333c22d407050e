namespace DynConv.Models.Tokenizers.Pretokenization;

/// <summary><c>Split</c> by a known regular expression of which every character is part.</summary>
internal sealed class ScannerSplit(PieceScanner scanner) : Pretokenizer
{
    public override void Split(ReadOnlySpan<byte> text, PieceStart start, PieceOutput output)
    {
        for (int index = 0; index < text.Length;)
        {
            int end = scanner.PieceEnd(text, index);
            output.Add(text[index..end], index == 0 ? start : PieceStart.Piece);
            index = end;
        }
    }
}
