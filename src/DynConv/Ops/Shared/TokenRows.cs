using DynConv.Cpu;

namespace DynConv.Ops;

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
    /// Whether writing past the caches pays, and can be done: a vector fills a line of the cache, so that none waits half
    /// written while a walk over tokens begins others (with narrower ones a pass took four times as long), the rows
    /// together are too large to stay in a cache, and all are aligned.
    /// </summary>
    public bool SuitsNonTemporalStores(long tokens, long channels)
    {
        const long LargestCached = 8 << 20;
        const long Line = 64;
        long strides = (TimeStride | _batchStride) * sizeof(float);
        return CpuSettings.VectorBits == Line * 8
            && tokens * channels * sizeof(float) > LargestCached
            && (((long)_first | strides) & (Line - 1)) == 0;
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

/// <summary>Rows that lie a fixed number of elements apart: <c>First + i * Stride</c>. The stride may be negative.</summary>
internal readonly unsafe record struct Strided(nint Address, long Stride)
{
    public Strided(float* first, long stride)
        : this((nint)first, stride)
    {
    }

    // A record prints its public members, and no compiler of native code knows how to print a pointer.
    internal float* First => (float*)Address;

    /// <summary>The rows from one on.</summary>
    public Strided From(long row) => new(this[row], Stride);

    /// <summary>The first rows in reverse order.</summary>
    public Strided Reverse(long rows) => new(this[rows - 1], -Stride);

    public float* this[long row] => First + (row * Stride);
}

/// <summary>Channels <c>Start .. Start + Count - 1</c> that a kernel works on at a time.</summary>
internal readonly record struct ChannelBlock(long Start, long Count);
