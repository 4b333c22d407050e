namespace DynConv.Ops;

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

/// <summary>One sequence: its number and its tokens <c>Start .. End - 1</c>.</summary>
internal readonly record struct TokenSequence(long Index, long Start, long End)
{
    public bool Contains(long token) => token >= Start && token < End;
}
