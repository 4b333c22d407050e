namespace DynConv.Models.Tokenizers.Pretokenization;

/// <summary>Parts of a text, each a match or what lies between, and how they become pieces.</summary>
internal static class Spans
{
    /// <summary>Fills in what lies between matches.</summary>
    public static List<Span> Cover(int length, List<(int Start, int End)> matches, bool inverted)
    {
        var spans = new List<Span>((2 * matches.Count) + 1);
        int end = 0;
        foreach ((int start, int next) in matches)
        {
            if (start != end)
            {
                spans.Add(new Span(end, start, inverted));
            }

            spans.Add(new Span(start, next, !inverted));
            end = next;
        }

        if (end != length)
        {
            spans.Add(new Span(end, length, inverted));
        }

        return spans;
    }

    /// <summary>Hands on the pieces.</summary>
    public static void Emit(
        ReadOnlySpan<byte> text, PieceStart start, List<Span> spans, SplitBehavior behavior, PieceOutput output)
    {
        switch (behavior)
        {
            case SplitBehavior.Removed:
                spans.RemoveAll(static span => span.IsMatch);
                break;
            case SplitBehavior.Contiguous:
                spans = Merge(spans, static (isMatch, wasMatch) => isMatch == wasMatch);
                break;
            case SplitBehavior.MergedWithPrevious:
                spans = Merge(spans, static (isMatch, wasMatch) => isMatch && !wasMatch);
                break;
            case SplitBehavior.MergedWithNext:
                spans.Reverse();
                spans = Merge(spans, static (isMatch, wasMatch) => isMatch && !wasMatch);
                spans.Reverse();
                break;
            default:
                break;
        }

        foreach (Span span in spans)
        {
            output.Add(text[span.Start..span.End], span.Start == 0 ? start : PieceStart.Piece);
        }
    }

    private static List<Span> Merge(List<Span> spans, Func<bool, bool, bool> joins)
    {
        List<Span> merged = [];
        bool wasMatch = false;
        foreach (Span span in spans)
        {
            if (merged.Count > 0 && joins(span.IsMatch, wasMatch))
            {
                Span last = merged[^1];
                merged[^1] = last with { Start = Math.Min(last.Start, span.Start), End = Math.Max(last.End, span.End) };
            }
            else
            {
                merged.Add(span);
            }

            wasMatch = span.IsMatch;
        }

        return merged;
    }

    /// <summary>A part of a text.</summary>
    public readonly record struct Span(int Start, int End, bool IsMatch);
}
