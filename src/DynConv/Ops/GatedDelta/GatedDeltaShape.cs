namespace DynConv.Ops;

/// <summary>The sizes of one call of the gated delta rule.</summary>
/// <param name="Sequences">Which tokens follow one another.</param>
/// <param name="KeyHeads">H, of queries and keys.</param>
/// <param name="ValueHeads">Hv.</param>
/// <param name="KeySize">K.</param>
/// <param name="ValueSize">V.</param>
/// <param name="Scale">Factor of what is read from the state.</param>
internal sealed record GatedDeltaShape(
    TokenSequences Sequences, long KeyHeads, long ValueHeads, long KeySize, long ValueSize, float Scale)
{
    /// <summary>Value heads that share one head of queries and keys.</summary>
    public long Shared => ValueHeads / KeyHeads;

    /// <summary>The shape of the states before or after the sequences.</summary>
    public Shape States => [Sequences.Count, ValueHeads, KeySize, ValueSize];

    /// <summary>Places for the states at the starts of chunks.</summary>
    public long Chunks => TokenChunks.Places(Sequences);
}

/// <summary>The inputs of one call.</summary>
/// <param name="Q">Queries.</param>
/// <param name="K">Keys.</param>
/// <param name="V">Values.</param>
/// <param name="G">Logarithms of the decay.</param>
/// <param name="Beta">How far what is stored is corrected.</param>
/// <param name="Initial">The states before the sequences; zeros if null.</param>
internal sealed record GatedDeltaTensors(Tensor Q, Tensor K, Tensor V, Tensor G, Tensor Beta, Tensor? Initial);
