using System.Runtime.InteropServices;

namespace DynConv.Models.Tokenizers;

/// <summary>
/// Finds the merges of byte-level BPE one after the other. The counts of pairs are kept up to date: a merge visits
/// only the pieces that have its pair. The queue holds each pair with its count at some time before; counts of old
/// pairs only fall, so the pair on top is the most frequent if its count still holds.
/// </summary>
internal sealed class MergeLearner
{
    private readonly int[][] _pieces;
    private readonly int[] _lengths;
    private readonly long[] _counts;
    private readonly Dictionary<long, Pair> _pairs = [];
    private readonly PriorityQueue<long, (long Count, long Pair)> _queue = new(MostFrequentFirst);
    private readonly List<long> _newPairs = [];
    private readonly List<byte[]> _tokens = [.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value })];
    private readonly HashSet<byte[]> _spellings;
    private readonly List<(int Left, int Right)> _merges = [];

    /// <summary>Counts the pairs of bytes.</summary>
    /// <param name="pieces">How often each piece occurs.</param>
    public MergeLearner(IReadOnlyDictionary<byte[], long> pieces)
    {
        _spellings = new HashSet<byte[]>(_tokens, PieceComparer.Instance);
        _pieces = [.. pieces.Keys.Select(piece => Array.ConvertAll(piece, value => (int)value))];
        _lengths = [.. _pieces.Select(piece => piece.Length)];
        _counts = [.. pieces.Values];
        for (int piece = 0; piece < _pieces.Length; piece++)
        {
            int[] ids = _pieces[piece];
            for (int i = 1; i < ids.Length; i++)
            {
                Increase(ids[i - 1], ids[i], piece);
            }
        }

        EnqueueNewPairs();
    }

    private static Comparer<(long Count, long Pair)> MostFrequentFirst { get; } = Comparer<(long, long)>.Create(
        ((long Count, long Pair) x, (long Count, long Pair) y) => x.Count != y.Count ? y.Count.CompareTo(x.Count) : x.Pair.CompareTo(y.Pair));

    /// <summary>The bytes of each token so far.</summary>
    public IReadOnlyList<byte[]> Tokens => _tokens;

    /// <summary>Number of tokens so far.</summary>
    public int TokenCount => _tokens.Count;

    /// <summary>The merges so far; merge i made token 256 + i.</summary>
    public IReadOnlyList<(int Left, int Right)> Merges => _merges;

    /// <summary>Makes the token of the most frequent pair; false if no pair occurs that often.</summary>
    public bool MergeMostFrequent(long minimumCount)
    {
        while (_queue.TryDequeue(out long key, out (long Count, long Pair) queued))
        {
            Pair pair = _pairs[key];
            if (pair.Count != queued.Count)
            {
                _queue.Enqueue(key, (pair.Count, key));
                continue;
            }

            if (pair.Count < minimumCount)
            {
                return false;
            }

            (int left, int right) = ((int)(key >> 32), (int)key);
            byte[] spelling = [.. _tokens[left], .. _tokens[right]];
            if (_spellings.Add(spelling))
            {
                int merged = _tokens.Count;
                _tokens.Add(spelling);
                _merges.Add((left, right));
                foreach (int piece in pair.Pieces)
                {
                    Replace(piece, left, right, merged);
                }

                _pairs.Remove(key);
                EnqueueNewPairs();
                return true;
            }
        }

        return false;
    }

    private void Replace(int piece, int left, int right, int merged)
    {
        Span<int> ids = _pieces[piece].AsSpan(0, _lengths[piece]);
        int kept = 0;
        for (int i = 0; i < ids.Length; i++)
        {
            if (ids[i] != left || i + 1 == ids.Length || ids[i + 1] != right)
            {
                ids[kept++] = ids[i];
                continue;
            }

            if (kept > 0)
            {
                Decrease(ids[kept - 1], left, piece);
                Increase(ids[kept - 1], merged, piece);
            }

            i++;
            if (i + 1 < ids.Length)
            {
                Decrease(right, ids[i + 1], piece);
                Increase(merged, ids[i + 1], piece);
            }

            ids[kept++] = merged;
        }

        _lengths[piece] = kept;
    }

    private void Decrease(int left, int right, int piece) =>
        _pairs[BpeVocabulary.Key(left, right)].Count -= _counts[piece];

    private void Increase(int left, int right, int piece)
    {
        long key = BpeVocabulary.Key(left, right);
        ref Pair? pair = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairs, key, out bool known);
        if (!known)
        {
            pair = new Pair();
            _newPairs.Add(key);
        }

        pair!.Count += _counts[piece];
        if (pair.Pieces is not [.., var last] || last != piece)
        {
            pair.Pieces.Add(piece);
        }
    }

    private void EnqueueNewPairs()
    {
        foreach (long key in _newPairs)
        {
            _queue.Enqueue(key, (_pairs[key].Count, key));
        }

        _newPairs.Clear();
    }

    private sealed class Pair
    {
        public long Count { get; set; }

        /// <summary>Pieces that have or once had the pair; one may stand there more than once.</summary>
        public List<int> Pieces { get; } = [];
    }
}
