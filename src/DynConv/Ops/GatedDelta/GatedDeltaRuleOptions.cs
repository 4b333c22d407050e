namespace DynConv.Ops;

/// <summary>What the gated delta rule is told besides its tensors.</summary>
public sealed record GatedDeltaRuleOptions
{
    /// <summary>Factor of what is read from the state; <c>1 / sqrt(K)</c> if not given.</summary>
    public float? Scale { get; init; }

    /// <summary>
    /// The state before the first token of each sequence, float32: <c>[B, Hv, K, V]</c>, or <c>[N, Hv, K, V]</c> with
    /// <see cref="Packed"/>; zeros if not given. Takes part in gradients.
    /// </summary>
    public Tensor? InitialState { get; init; }

    /// <summary>Bounds of the sequences that share one row of tokens; B has to be 1 then.</summary>
    public PackedSequences? Packed { get; init; }
}
