namespace DynConv.Ops;

/// <summary>The learned filters of a block of channels, copied together.</summary>
/// <param name="filters"><c>[R, W, channels]</c>.</param>
/// <param name="initial"><c>[W, channels]</c>: what a filter is before anything is mixed into it.</param>
/// <param name="sums">Gradients of the filters, in their layout.</param>
/// <param name="rank">R.</param>
/// <param name="channels">Channels of the block.</param>
internal readonly unsafe struct LowRankPanel(float* filters, float* initial, float* sums, long rank, long channels)
{
    public float* Filters { get; } = filters;

    public float* Initial { get; } = initial;

    public float* Sums { get; } = sums;

    public long Rank { get; } = rank;

    public long Channels { get; } = channels;
}
