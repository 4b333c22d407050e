namespace DynConv.Diagnostics;

/// <summary>The three kinds of short convolution.</summary>
public enum ConvolutionKind
{
    /// <summary>One filter a channel for all tokens.</summary>
    Static,

    /// <summary>One filter a token and head.</summary>
    HeadWise,

    /// <summary>One filter a token and channel, mixed from a few.</summary>
    LowRank,
}
