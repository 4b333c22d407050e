namespace DynConv.Ops;

/// <summary>Where the gradient of an input goes; nowhere if nobody wants it.</summary>
internal readonly unsafe struct HeadTarget
{
    private readonly TokenHeads _rows;
    private readonly StateRows _states;
    private readonly bool _accumulate;

    public HeadTarget(GradientRows gradient)
    {
        if (gradient.Tensor is { } tensor)
        {
            _rows = new TokenHeads(tensor);
            _states = tensor.Rank == 4 ? StateRows.Of(tensor) : default;
            _accumulate = gradient.Accumulate;
        }
    }

    private bool IsWanted => !_rows.IsNone;

    /// <summary>Writes rows of one head and of tokens that follow one another, if anybody wants them.</summary>
    /// <param name="token">The first token.</param>
    /// <param name="count">How many tokens.</param>
    /// <param name="head">The head.</param>
    /// <param name="from">Dense rows.</param>
    /// <param name="length">Elements of a row.</param>
    /// <param name="factor">What they are multiplied by.</param>
    /// <param name="add">Whether something has been written there before, to which these are added.</param>
    public void Write(long token, int count, long head, float* from, long length, float factor = 1, bool add = false)
    {
        if (!IsWanted)
        {
            return;
        }

        add |= _accumulate;
        for (int i = 0; i < count; i++, from += length)
        {
            float* to = _rows.At(token + i, head);
            for (long c = 0; c < length; c++)
            {
                to[c] = (factor * from[c]) + (add ? to[c] : 0);
            }
        }
    }

    /// <summary>Writes a state's gradient, whose elements lie one after the other there, too, if anybody wants it.</summary>
    public void WriteState(long sequence, long head, float* from, long length)
    {
        if (!IsWanted)
        {
            return;
        }

        float* to = _states.Dense(sequence, head);
        for (long i = 0; i < length; i++)
        {
            to[i] = from[i] + (_accumulate ? to[i] : 0);
        }
    }
}
