using DynConv.Modules;

namespace DynConv.Training.Data;

/// <summary>Ids drawn at random, in documents of random lengths: what takes as long to train on as text does.</summary>
internal sealed class RandomTokens : ITokenRow
{
    private readonly int[] _ids;
    private readonly List<long> _starts = [];

    /// <param name="count">How many ids.</param>
    /// <param name="vocabularySize">They are below this.</param>
    /// <param name="meanDocument">Ids of a document in the mean.</param>
    /// <param name="seed">Other ids with another one.</param>
    public RandomTokens(int count, int vocabularySize, int meanDocument, ulong seed)
    {
        RandomSource random = new RandomSource(seed).Fork("tokens");
        _ids = new int[count];
        for (int i = 0; i < count; i++)
        {
            _ids[i] = (int)(random.NextDouble() * vocabularySize);
            if (random.NextDouble() * meanDocument < 1)
            {
                _starts.Add(i);
            }
        }
    }

    public long Tokens => _ids.Length;

    public void CopyTo(long position, Span<int> destination) => _ids.AsSpan((int)position, destination.Length).CopyTo(destination);

    public IReadOnlyList<long> DocumentStarts(long position, long count) =>
        [.. _starts.Where(start => start > position && start < position + count)];
}
