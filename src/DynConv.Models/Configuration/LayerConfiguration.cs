using DynConv.Models.Layers;

namespace DynConv.Models;

/// <summary>One layer of a model: tokens first see one another, then each is worked on by itself.</summary>
/// <param name="Sequence">The sequence mixer, for example <see cref="AttentionConfiguration"/>.</param>
/// <param name="Channel">The channel mixer, for example <see cref="FeedForwardConfiguration"/>.</param>
public sealed record LayerConfiguration(MixerConfiguration Sequence, MixerConfiguration Channel)
{
    /// <summary>Both halves, in the order in which a token meets them.</summary>
    public IReadOnlyList<MixerConfiguration> Mixers => [Sequence, Channel];

    /// <summary>A number of equal layers.</summary>
    /// <param name="count">How many.</param>
    /// <param name="sequence">Their sequence mixer.</param>
    /// <param name="channel">Their channel mixer.</param>
    public static IReadOnlyList<LayerConfiguration> Repeat(int count, MixerConfiguration sequence, MixerConfiguration channel) =>
        [.. Enumerable.Repeat(new LayerConfiguration(sequence, channel), Math.Max(0, count))];

    /// <summary>The layer with both mixers changed.</summary>
    internal LayerConfiguration With(Func<MixerConfiguration, MixerConfiguration> change) => new(change(Sequence), change(Channel));
}
