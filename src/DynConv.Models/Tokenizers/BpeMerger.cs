namespace DynConv.Models.Tokenizers;

/// <summary>
/// Merges the bytes of a piece: again and again the pair of neighbours of the lowest rank, the leftmost of equals.
/// A heap keeps the pairs, so that a piece of n bytes takes n log n steps, however long. For one thread at a time.
/// </summary>
internal sealed class BpeMerger
{
    private const int Gone = -1;

    private readonly PriorityQueue<Candidate, long> _queue = new();
    private int[] _ids = [];
    private int[] _next = [];
    private int[] _previous = [];

    /// <summary>Appends the tokens of <paramref name="piece"/> to <paramref name="tokens"/>.</summary>
    public void Merge(BpeVocabulary vocabulary, ReadOnlySpan<byte> piece, List<int> tokens)
    {
        Load(vocabulary, piece);
        while (_queue.TryDequeue(out Candidate candidate, out _))
        {
            int left = candidate.Left;
            int right = _next[left];
            if (_ids[left] != candidate.LeftId || right == piece.Length || _ids[right] != candidate.RightId)
            {
                continue;
            }

            _ids[left] = candidate.MergedId;
            _ids[right] = Gone;
            int after = _next[left] = _next[right];
            if (after < piece.Length)
            {
                _previous[after] = left;
                Offer(vocabulary, left, after);
            }

            if (left > 0)
            {
                Offer(vocabulary, _previous[left], left);
            }
        }

        for (int i = 0; i < piece.Length; i = _next[i])
        {
            tokens.Add(_ids[i]);
        }
    }

    private void Load(BpeVocabulary vocabulary, ReadOnlySpan<byte> piece)
    {
        if (_ids.Length < piece.Length)
        {
            int capacity = Math.Max(64, piece.Length);
            _ids = new int[capacity];
            _next = new int[capacity];
            _previous = new int[capacity];
        }

        for (int i = 0; i < piece.Length; i++)
        {
            _ids[i] = vocabulary.ByteIds[piece[i]];
            _next[i] = i + 1;
            _previous[i] = i - 1;
            if (i > 0)
            {
                Offer(vocabulary, i - 1, i);
            }
        }
    }

    private void Offer(BpeVocabulary vocabulary, int left, int right)
    {
        if (vocabulary.TryMerge(_ids[left], _ids[right], out BpeVocabulary.Merge merge))
        {
            _queue.Enqueue(new Candidate(left, _ids[left], _ids[right], merge.Id), BpeVocabulary.Key(merge.Rank, left));
        }
    }

    private readonly record struct Candidate(int Left, int LeftId, int RightId, int MergedId);
}
