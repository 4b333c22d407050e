namespace DynConv.Ops;

/// <summary>
/// Sequences in chunks of <see cref="Size"/> tokens, counted from the start of each sequence; the last chunk of one may be shorter.
/// </summary>
internal static class TokenChunks
{
    public const int Size = 64;

    /// <summary>
    /// Places for what belongs to a chunk. A sequence of n tokens has at most one chunk more than n / 64, so that its places, which
    /// follow one another, are nobody else's; some may be left over.
    /// </summary>
    public static long Places(TokenSequences sequences) => (sequences.Tokens / Size) + sequences.Count;

    /// <summary>The place of a sequence's first chunk.</summary>
    public static long FirstPlace(TokenSequence sequence) => (sequence.Start / Size) + sequence.Index;

    /// <summary>The chunks of all sequences, in order.</summary>
    public static TokenChunk[] Of(TokenSequences sequences)
    {
        var chunks = new List<TokenChunk>();
        for (long n = 0; n < sequences.Count; n++)
        {
            chunks.AddRange(Of(sequences[n]));
        }

        return [.. chunks];
    }

    /// <summary>The chunks of one sequence, in order.</summary>
    public static TokenChunk[] Of(TokenSequence sequence)
    {
        long count = (sequence.End - sequence.Start + Size - 1) / Size;
        var chunks = new TokenChunk[count];
        for (long i = 0; i < count; i++)
        {
            long start = sequence.Start + (i * Size);
            chunks[i] = new TokenChunk(FirstPlace(sequence) + i, start, (int)Math.Min(Size, sequence.End - start));
        }

        return chunks;
    }
}

/// <summary>One chunk: its place, its first token, counted through all batch entries, and how many it has.</summary>
internal readonly record struct TokenChunk(long Place, long Start, int Count);
