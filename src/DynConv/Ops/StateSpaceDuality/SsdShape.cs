namespace DynConv.Ops;

/// <summary>The sizes of one call of state space duality.</summary>
/// <param name="Sequences">Which tokens follow one another.</param>
/// <param name="Heads">H.</param>
/// <param name="Groups">G, of heads that share b and c.</param>
/// <param name="HeadSize">P.</param>
/// <param name="StateSize">N.</param>
internal sealed record SsdShape(TokenSequences Sequences, long Heads, long Groups, long HeadSize, long StateSize)
{
    /// <summary>Heads that share b and c.</summary>
    public long HeadsAGroup => Heads / Groups;

    /// <summary>The shape of the states before or after the sequences.</summary>
    public Shape States => [Sequences.Count, Heads, HeadSize, StateSize];

    /// <summary>Places for what belongs to a chunk.</summary>
    public long Chunks => TokenChunks.Places(Sequences);
}

/// <summary>The inputs of one call.</summary>
/// <param name="X">Inputs.</param>
/// <param name="Dt">Step sizes.</param>
/// <param name="A">Rates of the decay.</param>
/// <param name="B">What the state takes in.</param>
/// <param name="C">What is read from the state.</param>
/// <param name="D">How much of the inputs is added to the results; nothing if null.</param>
/// <param name="Initial">The states before the sequences; zeros if null.</param>
internal sealed record SsdTensors(Tensor X, Tensor Dt, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? Initial);
