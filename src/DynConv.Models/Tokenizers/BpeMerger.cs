namespace DynConv.Models.Tokenizers;

/// <summary>
/// Merges the symbols of a piece: again and again the pair of neighbours of the lowest rank, the leftmost of equals.
/// A heap keeps the pairs, so that a piece of n symbols takes n log n steps, however long. For one thread at a time.
/// </summary>
internal sealed class BpeMerger
{
    private const int Gone = -1;

    private readonly PriorityQueue<Candidate, long> _queue = new();
    private int[] _ids = [];
    private int[] _next = [];
    private int[] _previous = [];

    /// <summary>Appends the tokens that <paramref name="symbols"/> become to <paramref name="tokens"/>.</summary>
    public void Merge(BpeVocabulary vocabulary, ReadOnlySpan<int> symbols, List<int> tokens)
    {
        Load(vocabulary, symbols);
        while (_queue.TryDequeue(out Candidate candidate, out _))
        {
            int left = candidate.Left;
            int right = _next[left];
            if (_ids[left] == Gone || right == symbols.Length || !IsCurrent(vocabulary, candidate, _ids[left], _ids[right]))
            {
                continue;
            }

            _ids[left] = candidate.MergedId;
            _ids[right] = Gone;
            int after = _next[left] = _next[right];
            if (after < symbols.Length)
            {
                _previous[after] = left;
                Offer(vocabulary, left, after);
            }

            if (left > 0)
            {
                Offer(vocabulary, _previous[left], left);
            }
        }

        for (int i = 0; i < symbols.Length; i = _next[i])
        {
            tokens.Add(_ids[i]);
        }
    }

    // Neighbours that have changed since still merge if they become the same token, as in Hugging Face's library.
    private static bool IsCurrent(BpeVocabulary vocabulary, Candidate candidate, int leftId, int rightId) =>
        (leftId == candidate.LeftId && rightId == candidate.RightId)
        || (vocabulary.TryMerge(leftId, rightId, out BpeVocabulary.Merge merge) && merge.Id == candidate.MergedId);

    private void Load(BpeVocabulary vocabulary, ReadOnlySpan<int> symbols)
    {
        if (_ids.Length < symbols.Length)
        {
            int capacity = Math.Max(64, symbols.Length);
            _ids = new int[capacity];
            _next = new int[capacity];
            _previous = new int[capacity];
        }

        for (int i = 0; i < symbols.Length; i++)
        {
            _ids[i] = symbols[i];
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
