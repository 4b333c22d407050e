namespace DynConv.Ops;

/// <summary>
/// The rows of a <c>[B, T, H, C]</c> tensor, or the numbers of a <c>[B, T, H]</c> tensor, of any strides, by token (counted through
/// all batch entries) and head.
/// </summary>
internal readonly unsafe struct TokenHeads
{
    private readonly float* _first;
    private readonly long _batch;
    private readonly long _time;
    private readonly long _head;
    private readonly long _tokens;

    public TokenHeads(Tensor tensor)
    {
        _first = tensor.Float();
        (_batch, _time, _head) = (tensor.Strides[0], tensor.Strides[1], tensor.Strides[2]);
        _tokens = tensor.Shape[1];
        Stride = tensor.Rank > 3 ? tensor.Strides[3] : 1;
    }

    /// <summary>Whether there is no tensor.</summary>
    public bool IsNone => _first is null;

    /// <summary>Elements from one of a row to the next.</summary>
    public long Stride { get; }

    /// <summary>Elements from a row to that of the next token of its batch entry.</summary>
    public long TimeStride => _time;

    public float* At(long token, long head)
    {
        (long batch, long time) = Math.DivRem(token, _tokens);
        return _first + (batch * _batch) + (time * _time) + (head * _head);
    }

    /// <summary>Copies one head's rows of tokens that follow one another to dense memory.</summary>
    public void Gather(long token, int count, long head, long length, float* to)
    {
        for (int i = 0; i < count; i++, to += length)
        {
            float* from = At(token + i, head);
            if (Stride == 1)
            {
                new Span<float>(from, checked((int)length)).CopyTo(new Span<float>(to, (int)length));
                continue;
            }

            for (long c = 0; c < length; c++)
            {
                to[c] = from[c * Stride];
            }
        }
    }
}
