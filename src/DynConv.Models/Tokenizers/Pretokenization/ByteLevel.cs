using System.Text;

namespace DynConv.Models.Tokenizers.Pretokenization;

/// <summary><c>ByteLevel</c>: cuts by a scanner, and spells bytes in <see cref="ByteAlphabet"/> unless the model reads bytes.</summary>
/// <param name="scanner">GPT-2's pattern, or none.</param>
/// <param name="addPrefixSpace">Whether a piece that does not start with a space is given one.</param>
/// <param name="spells">Whether what comes next reads the alphabet and not bytes.</param>
internal sealed class ByteLevel(PieceScanner scanner, bool addPrefixSpace, bool spells) : Pretokenizer
{
    public override void Split(ReadOnlySpan<byte> text, PieceStart start, PieceOutput output)
    {
        if (addPrefixSpace && text[0] != ' ' && start != PieceStart.Inside)
        {
            text = (byte[])[(byte)' ', .. text];
        }

        for (int index = 0; index < text.Length;)
        {
            int end = scanner.PieceEnd(text, index);
            ReadOnlySpan<byte> piece = text[index..end];
            output.Add(spells ? Encoding.UTF8.GetBytes(ByteAlphabet.ToText(piece)) : piece, index == 0 ? start : PieceStart.Piece);
            index = end;
        }
    }
}
