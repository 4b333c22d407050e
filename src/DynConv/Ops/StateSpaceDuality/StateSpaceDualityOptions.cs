namespace DynConv.Ops;

/// <summary>What state space duality is told besides its tensors.</summary>
public sealed record StateSpaceDualityOptions
{
    /// <summary>How much of each head's input is added to its result, float32 <c>[H]</c>; nothing if not given.</summary>
    public Tensor? D { get; init; }

    /// <summary>
    /// The state before the first token of each sequence, float32: <c>[B, H, P, N]</c>, with <see cref="Packed"/> one for each sequence;
    /// zeros if not given. Takes part in gradients.
    /// </summary>
    public Tensor? InitialState { get; init; }

    /// <summary>Bounds of the sequences that share one row of tokens; B has to be 1 then.</summary>
    public PackedSequences? Packed { get; init; }
}
