namespace DynConv.Ops;

/// <summary>What <see cref="Attention.Causal"/> can be asked for beyond its inputs.</summary>
public sealed record AttentionOptions
{
    /// <summary>Factor of the scores, above 0; <c>K^-0.5</c> if not given.</summary>
    public float? Scale { get; init; }

    /// <summary>
    /// Sequences that share the one row of a batch: no token sees another sequence. Batch is then 1, and queries and
    /// keys are as many as the sequences' tokens.
    /// </summary>
    public PackedSequences? Packed { get; init; }

    /// <summary>
    /// Turns queries and keys by their positions first, as <see cref="Rope"/> would; queries are then as many as keys. On some GPUs this
    /// saves a pass over the gradients of both.
    /// </summary>
    public RotaryPositions? Rotary { get; init; }
}
