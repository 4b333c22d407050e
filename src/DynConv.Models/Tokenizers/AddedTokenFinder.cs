using System.Buffers;
using System.Text;
using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers;

/// <summary>Finds added tokens in text: the leftmost, and of those that begin there the longest. Immutable.</summary>
internal sealed class AddedTokenFinder
{
    private const int Root = 0;

    private readonly Dictionary<(int Node, byte Next), int> _edges = [];
    private readonly List<AddedToken?> _ends = [null];
    private readonly SearchValues<byte> _firstBytes;

    /// <summary>Indexes tokens.</summary>
    /// <param name="tokens">The tokens and their UTF-8, none of which is empty.</param>
    public AddedTokenFinder(IEnumerable<(AddedToken Token, byte[] Text)> tokens)
    {
        // Of two that have become the same text the first counts, special ones first.
        foreach ((AddedToken token, byte[] text) in tokens.OrderBy(static item => !item.Token.Special))
        {
            int node = Root;
            foreach (byte value in text)
            {
                if (!_edges.TryGetValue((node, value), out int next))
                {
                    next = _ends.Count;
                    _ends.Add(null);
                    _edges[(node, value)] = next;
                }

                node = next;
            }

            _ends[node] ??= token;
        }

        _firstBytes = SearchValues.Create([.. _edges.Keys.Where(static edge => edge.Node == Root).Select(static edge => edge.Next)]);
    }

    /// <summary>Whether there is nothing to find.</summary>
    public bool IsEmpty => _edges.Count == 0;

    /// <summary>The next token in a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="from">Where the search goes on; it becomes where it goes on after this token.</param>
    /// <param name="taken">Up to where the text belongs to earlier tokens.</param>
    /// <param name="special">What special tokens are.</param>
    /// <param name="start">Where the token begins, with the white space that it takes.</param>
    /// <param name="end">Where it ends, with the white space that it takes.</param>
    public AddedToken? Find(ReadOnlySpan<byte> text, ref int from, int taken, SpecialTokens special, out int start, out int end)
    {
        while (from < text.Length)
        {
            int skipped = text[from..].IndexOfAny(_firstBytes);
            if (skipped < 0)
            {
                break;
            }

            start = from + skipped;
            AddedToken? token = LongestAt(text, start, out end);
            from = token is null ? start + 1 : end;
            if (token is null || (special == SpecialTokens.Spell && token.Special) || (token.SingleWord && !IsWord(text, start, end)))
            {
                continue;
            }

            start = token.LeftStrip ? Math.Max(taken, SpaceStart(text[..start])) : start;
            end = token.RightStrip ? end + SpaceLength(text[end..]) : end;
            return token;
        }

        from = text.Length;
        start = end = 0;
        return null;
    }

    private AddedToken? LongestAt(ReadOnlySpan<byte> text, int start, out int end)
    {
        AddedToken? longest = null;
        end = start;
        int node = Root;
        for (int i = start; i < text.Length && _edges.TryGetValue((node, text[i]), out node); i++)
        {
            if (_ends[node] is { } token)
            {
                (longest, end) = (token, i + 1);
            }
        }

        return longest;
    }

    private static bool IsWord(ReadOnlySpan<byte> text, int start, int end)
    {
        Rune.DecodeLastFromUtf8(text[..start], out Rune before, out _);
        Rune.DecodeFromUtf8(text[end..], out Rune after, out _);
        return (start == 0 || !UnicodeSets.RustWord.Contains(before.Value))
            && (end == text.Length || !UnicodeSets.RustWord.Contains(after.Value));
    }

    private static int SpaceStart(ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty && Rune.DecodeLastFromUtf8(text, out Rune rune, out int length) == OperationStatus.Done
            && UnicodeSets.Space.Contains(rune.Value))
        {
            text = text[..^length];
        }

        return text.Length;
    }

    private static int SpaceLength(ReadOnlySpan<byte> text)
    {
        int length = 0;
        while (length < text.Length && Rune.DecodeFromUtf8(text[length..], out Rune rune, out int next) == OperationStatus.Done
            && UnicodeSets.Space.Contains(rune.Value))
        {
            length += next;
        }

        return length;
    }
}
