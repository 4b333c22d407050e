namespace DynConv.Ops;

/// <summary>The inputs of a call as the CPU reads them.</summary>
internal readonly struct GatedDeltaInputs(GatedDeltaTensors inputs)
{
    public TokenHeads Q { get; } = new(inputs.Q);

    public TokenHeads K { get; } = new(inputs.K);

    public TokenHeads V { get; } = new(inputs.V);

    public TokenHeads G { get; } = new(inputs.G);

    public TokenHeads Beta { get; } = new(inputs.Beta);
}
