using System.Text;
using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers.Pretokenization;

/// <summary><c>Whitespace</c>: runs of word characters and runs of others; white space is dropped.</summary>
internal sealed class WordSplit : Pretokenizer
{
    public override void Split(ReadOnlySpan<byte> text, PieceStart start, PieceOutput output)
    {
        int from = 0;
        Kind kind = Kind.Space;
        for (int index = 0; index < text.Length;)
        {
            Rune.DecodeFromUtf8(text[index..], out Rune rune, out int length);
            Kind next = UnicodeSets.RustWord.Contains(rune.Value) ? Kind.Word
                : UnicodeSets.Space.Contains(rune.Value) ? Kind.Space
                : Kind.Symbol;
            if (next != kind)
            {
                Add(text, from, index, kind, start, output);
                (from, kind) = (index, next);
            }

            index += length;
        }

        Add(text, from, text.Length, kind, start, output);
    }

    private static void Add(ReadOnlySpan<byte> text, int from, int end, Kind kind, PieceStart start, PieceOutput output)
    {
        if (kind != Kind.Space)
        {
            output.Add(text[from..end], from == 0 ? start : PieceStart.Piece);
        }
    }

    private enum Kind
    {
        Space,
        Word,
        Symbol,
    }
}
