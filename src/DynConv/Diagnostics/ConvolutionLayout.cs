namespace DynConv.Diagnostics;

/// <summary>How the tokens that a benchmark convolves lie in memory.</summary>
public enum ConvolutionLayout
{
    /// <summary>Every tensor in one piece, every sequence of the same length.</summary>
    Whole,

    /// <summary>x is the middle third of the columns of one fused projection, and its gradient of that one's gradient.</summary>
    Slice,

    /// <summary>Sequences of many lengths, some 500 tokens on average, in one row.</summary>
    Packed,
}
