using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers.Pretokenization;

/// <summary><c>Split</c>: by a regular expression or a literal.</summary>
internal sealed class PatternSplit(Pattern pattern, SplitBehavior behavior, bool inverted) : Pretokenizer
{
    public override void Split(ReadOnlySpan<byte> text, PieceStart start, PieceOutput output)
    {
        List<(int, int)> matches = [];
        pattern.FindAll(text, matches);
        Spans.Emit(text, start, Spans.Cover(text.Length, matches, inverted), behavior, output);
    }
}
