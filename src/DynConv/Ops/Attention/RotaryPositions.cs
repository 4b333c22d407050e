namespace DynConv.Ops;

/// <summary>A rotary position embedding of queries and keys, as <see cref="Rope"/> computes it.</summary>
/// <param name="Table">The angles.</param>
/// <param name="Positions">Where the tokens stand: of queries and keys alike.</param>
public sealed record RotaryPositions(RopeTable Table, TokenPositions Positions);
