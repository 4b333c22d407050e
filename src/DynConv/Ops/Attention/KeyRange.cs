namespace DynConv.Ops;

/// <summary>Which keys a query sees: from the start of its sequence to its own position.</summary>
internal readonly unsafe struct KeyRange
{
    private readonly int* _first;
    private readonly long _past;

    private KeyRange(int* first, long past)
    {
        _first = first;
        _past = past;
    }

    /// <summary>The ranges of <paramref name="queries"/> queries that end at the last of <paramref name="keys"/> keys.</summary>
    /// <param name="queries">T.</param>
    /// <param name="keys">S.</param>
    /// <param name="bounds">Where the sequence of each token starts and ends, <c>[2, T]</c>; null if there is only one.</param>
    public static KeyRange Of(long queries, long keys, Tensor? bounds) =>
        new(bounds is null ? null : bounds.Int(), keys - queries);

    /// <summary>The first key that query <paramref name="t"/> sees.</summary>
    public long First(long t) => _first is null ? 0 : _first[t];

    /// <summary>One past the last key that query <paramref name="t"/> sees.</summary>
    public long End(long t) => _past + t + 1;
}
