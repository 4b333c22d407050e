namespace DynConv.Ops;

/// <summary>What the three short convolutions can do besides convolving.</summary>
public sealed record ShortConvolutionOptions
{
    /// <summary>Neither residual, bias, activation, state, packing nor a given destination.</summary>
    public static ShortConvolutionOptions Default { get; } = new();

    /// <summary>Whether the input is added to the result, <c>y = x + conv(x)</c>, in the same pass.</summary>
    public bool Residual { get; init; }

    /// <summary>Added to the sum of each channel, before the activation: float32 <c>[D]</c>. Takes part in gradients.</summary>
    public Tensor? Bias { get; init; }

    /// <summary>
    /// Applied to what residual, taps and bias add up to, in the same pass. The backward pass computes those sums again, which costs
    /// another forward pass, and nothing is kept for it.
    /// </summary>
    public ConvolutionActivation Activation { get; init; }

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
