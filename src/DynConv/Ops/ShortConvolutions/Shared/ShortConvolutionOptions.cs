namespace DynConv.Ops;

/// <summary>What the three short convolutions can do besides convolving.</summary>
public sealed record ShortConvolutionOptions
{
    /// <summary>Neither residual, state, packing nor a given destination.</summary>
    public static ShortConvolutionOptions Default { get; } = new();

    /// <summary>Whether the input is added to the result, <c>y = x + conv(x)</c>, in the same pass.</summary>
    public bool Residual { get; init; }

    /// <summary>
    /// The W - 1 inputs before the first token of each sequence, oldest first, of x's type: <c>[B, W-1, D]</c>, or
    /// <c>[N, W-1, D]</c> with <see cref="Packed"/>; zeros if not given. Takes part in gradients.
    /// </summary>
    public Tensor? InitialState { get; init; }

    /// <summary>Bounds of the sequences that share one row of tokens; B has to be 1 then.</summary>
    public PackedSequences? Packed { get; init; }

    /// <summary>
    /// Where the result is written, for example a slice of a wider tensor: x's shape, inner stride 1, no element in
    /// common with an input. A new tensor if not given.
    /// </summary>
    public Tensor? Output { get; init; }
}
