namespace DynConv.Models.HuggingFace;

/// <summary>Where a checkpoint keeps a parameter: parameters with one tensor in common are parts of it.</summary>
/// <param name="Tensor">The tensor's name in the file.</param>
/// <param name="Order">Its place among the parts; those of the same order come as the model names them.</param>
internal readonly record struct StoredPlace(string Tensor, int Order = 0)
{
    /// <summary>
    /// Groups of rows that the parts take turns in: with 2, the first half of the rows of each part, then the second halves. With 1
    /// the parts stand one after the other.
    /// </summary>
    public int Groups { get; init; } = 1;

    /// <summary>
    /// Whether the file has a convolution's taps as PyTorch does, <c>[channels, 1, W]</c> with the current token's last, where a
    /// parameter is <c>[W, channels]</c> with the current token's first.
    /// </summary>
    public bool IsConvolution { get; init; }
}
