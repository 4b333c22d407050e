namespace DynConv.Ops;

/// <summary>What a short convolution applies to its sums.</summary>
public enum ConvolutionActivation
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary><c>x / (1 + e^-x)</c>, as in Mamba and Gated DeltaNet.</summary>
    Silu,
}
