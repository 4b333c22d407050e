using System.Text;
using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers.Pretokenization;

/// <summary><c>Digits</c>, <c>Punctuation</c>, <c>WhitespaceSplit</c>: by each character of a set.</summary>
internal sealed class CharacterSplit(CodePointSet set, SplitBehavior behavior) : Pretokenizer
{
    public override void Split(ReadOnlySpan<byte> text, PieceStart start, PieceOutput output)
    {
        if (behavior is SplitBehavior.MergedWithNext or SplitBehavior.MergedWithPrevious)
        {
            SplitMerged(text, start, output);
            return;
        }

        int from = 0;
        bool wasMember = false;
        for (int index = 0; index < text.Length;)
        {
            bool isMember = IsMember(text, index, out int end);
            if (index > from && (isMember != wasMember || (isMember && behavior == SplitBehavior.Isolated)))
            {
                Add(text, from, index, wasMember, start, output);
                from = index;
            }

            wasMember = isMember;
            index = end;
        }

        Add(text, from, text.Length, wasMember, start, output);
    }

    private void Add(ReadOnlySpan<byte> text, int from, int end, bool isMember, PieceStart start, PieceOutput output)
    {
        if (!isMember || behavior != SplitBehavior.Removed)
        {
            output.Add(text[from..end], from == 0 ? start : PieceStart.Piece);
        }
    }

    private void SplitMerged(ReadOnlySpan<byte> text, PieceStart start, PieceOutput output)
    {
        List<(int, int)> matches = [];
        for (int index = 0; index < text.Length;)
        {
            if (IsMember(text, index, out int end))
            {
                matches.Add((index, end));
            }

            index = end;
        }

        Spans.Emit(text, start, Spans.Cover(text.Length, matches, inverted: false), behavior, output);
    }

    private bool IsMember(ReadOnlySpan<byte> text, int index, out int end)
    {
        if (text[index] < 0x80)
        {
            end = index + 1;
            return set.Contains(text[index]);
        }

        Rune.DecodeFromUtf8(text[index..], out Rune rune, out int length);
        end = index + length;
        return set.Contains(rune.Value);
    }
}
