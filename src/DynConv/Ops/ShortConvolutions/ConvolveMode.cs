namespace DynConv.Ops;

/// <summary>What a convolution adds to its sum, and how it stores it.</summary>
[Flags]
internal enum ConvolveMode
{
    None = 0,

    /// <summary>The current token's input is added.</summary>
    Residual = 1,

    /// <summary>What the destination holds is added.</summary>
    Accumulate = 2,

    /// <summary>The result goes past the caches; rows are aligned to the vector.</summary>
    NonTemporal = 4,
}
