using DynConv.Models.Layers;

namespace DynConv.Models.HuggingFace;

/// <summary>
/// A model whose layers are all alike, attention and feed-forward, with one kind of convolution at the same places of each:
/// what a flat <c>config.json</c> can say.
/// </summary>
/// <param name="Attention">Without its convolutions.</param>
/// <param name="FeedForward">Without its convolutions.</param>
/// <param name="Convolution">The convolutions' settings; null if there are none.</param>
/// <param name="Placement">Linear layers that they follow.</param>
internal sealed record UniformTransformer(
    AttentionConfiguration Attention,
    FeedForwardConfiguration FeedForward,
    ShortConvolutionConfiguration? Convolution,
    IReadOnlyList<string> Placement)
{
    /// <summary>The model as such a one; null if it is not.</summary>
    /// <param name="model">A model.</param>
    public static UniformTransformer? Of(ModelConfiguration model)
    {
        if (model.Layers.Distinct().ToArray() is not [{ Sequence: AttentionConfiguration attention, Channel: FeedForwardConfiguration feedForward }])
        {
            return null;
        }

        PlacedConvolution[] placed = [.. attention.Convolutions, .. feedForward.Convolutions];
        ShortConvolutionConfiguration[] kinds = [.. placed.Select(one => one.Convolution).Distinct()];
        return kinds.Length > 1 ? null : new UniformTransformer(
            attention with { Convolutions = [] },
            feedForward with { Convolutions = [] },
            kinds.FirstOrDefault(),
            [.. placed.Select(one => one.Layer)]);
    }
}
