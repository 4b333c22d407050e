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
    public static KeyRange Of(long queries, long keys, PackedSequences? packed, Device device)
    {
        if (packed is null)
        {
            return new KeyRange(null, keys - queries);
        }

        int* first = Tensor.Empty([queries], DType.Int32, device).Int();
        for (int n = 0; n < packed.Count; n++)
        {
            long start = packed.CuSeqlens[n];
            for (long t = start; t < packed.CuSeqlens[n + 1]; t++)
            {
                first[t] = (int)start;
            }
        }

        return new KeyRange(first, past: 0);
    }

    /// <summary>The first key that query <paramref name="t"/> sees.</summary>
    public long First(long t) => _first is null ? 0 : _first[t];

    /// <summary>One past the last key that query <paramref name="t"/> sees.</summary>
    public long End(long t) => _past + t + 1;
}
