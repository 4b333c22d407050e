namespace DynConv.Ops;

/// <summary>One sequence: its number and its tokens <c>Start .. End - 1</c>.</summary>
internal readonly record struct TokenSequence(long Index, long Start, long End)
{
    public bool Contains(long token) => token >= Start && token < End;
}

/// <summary>
/// Which tokens follow one another. Tokens of a <c>[B, T, …]</c> tensor are counted through all batches,
/// <c>b * T + t</c>; a sequence is a batch entry, or a piece of the only one where sequences are packed.
/// </summary>
internal sealed class TokenSequences(long batch, long time, PackedSequences? packed)
{
    public long Batch { get; } = batch;

    public long Time { get; } = time;

    public long Tokens { get; } = batch * time;

    public long Count { get; } = packed?.Count ?? batch;

    public PackedSequences? Packed { get; } = packed;

    public TokenSequence this[long index] => Packed is null
        ? new(index, index * Time, (index + 1) * Time)
        : new(index, Packed.CuSeqlens[(int)index], Packed.CuSeqlens[(int)index + 1]);

    /// <summary>The sequence that a token belongs to.</summary>
    public TokenSequence At(long token)
    {
        if (Packed is null)
        {
            return this[token / Time];
        }

        // Of empty sequences several start at one position: the last of them is the one with tokens.
        ReadOnlySpan<long> starts = Packed.CuSeqlens;
        int low = 0;
        int high = Packed.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = starts[middle] <= token ? (middle, high) : (low, middle - 1);
        }

        return this[low];
    }
}

/// <summary>The rows of a <c>[B, T, C]</c> tensor with inner stride 1, by token.</summary>
internal readonly unsafe struct TokenRows
{
    private readonly float* _first;
    private readonly long _batchStride;
    private readonly long _time;

    public TokenRows(Tensor tensor)
    {
        _first = tensor.Float();
        _batchStride = tensor.Strides[0];
        TimeStride = tensor.Strides[1];
        _time = tensor.Shape[1];
        if (_time == 1)
        {
            TimeStride = _batchStride;
        }

        // Where batches follow one another like tokens do, no division is needed to find a row.
        if (HaveOneStride(tensor))
        {
            _time = long.MaxValue;
        }
    }

    /// <summary>Whether the rows of all tokens, from one batch entry to the next, too, lie equally far apart.</summary>
    public static bool HaveOneStride(Tensor tensor) =>
        tensor.Shape[0] <= 1 || tensor.Shape[1] <= 1 || tensor.Strides[0] == tensor.Shape[1] * tensor.Strides[1];

    /// <summary>Elements from a token's row to that of the next token of the same batch entry.</summary>
    public long TimeStride { get; }

    /// <summary>The rows from a token on, as far as its batch entry goes.</summary>
    public Strided From(long token, ChannelBlock block) => new(this[token] + block.Start, TimeStride);

    /// <summary>The rows from a token backwards.</summary>
    public Strided BackFrom(long token, ChannelBlock block) => new(this[token] + block.Start, -TimeStride);

    /// <summary>
    /// Whether writing past the caches pays, and can be done: the rows together are too large to stay in a cache, and
    /// all are aligned to the widest vector.
    /// </summary>
    public bool SuitsNonTemporalStores(long tokens, long channels)
    {
        const long LargestCached = 8 << 20;
        const long Line = 64;
        long strides = (TimeStride | _batchStride) * sizeof(float);
        return tokens * channels * sizeof(float) > LargestCached && (((long)_first | strides) & (Line - 1)) == 0;
    }

    public float* this[long token]
    {
        get
        {
            if (token < _time)
            {
                return _first + (token * TimeStride);
            }

            (long batch, long time) = Math.DivRem(token, _time);
            return _first + (batch * _batchStride) + (time * TimeStride);
        }
    }
}
