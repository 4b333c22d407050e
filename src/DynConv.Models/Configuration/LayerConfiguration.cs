using DynConv.Models.Layers;

namespace DynConv.Models;

/// <summary>One layer of a model: tokens first see one another, then each is worked on by itself.</summary>
/// <param name="Sequence">The sequence mixer, for example <see cref="AttentionConfiguration"/>.</param>
/// <param name="Channel">The channel mixer, for example <see cref="FeedForwardConfiguration"/>; null for none.</param>
public sealed record LayerConfiguration(MixerConfiguration Sequence, MixerConfiguration? Channel)
{
    /// <summary>The most layers that a model can have: a slip in a file is not to fill the memory.</summary>
    public const int MostLayers = 10_000;

    /// <summary>The halves there are, in the order in which a token meets them.</summary>
    public IReadOnlyList<MixerConfiguration> Mixers => Channel is null ? [Sequence] : [Sequence, Channel];

    /// <summary>A number of equal layers.</summary>
    /// <param name="count">How many, 1 to <see cref="MostLayers"/>.</param>
    /// <param name="sequence">Their sequence mixer.</param>
    /// <param name="channel">Their channel mixer.</param>
    /// <exception cref="DynConvException">There would be none, or far more than any model has.</exception>
    public static IReadOnlyList<LayerConfiguration> Repeat(int count, MixerConfiguration sequence, MixerConfiguration? channel) =>
        Repeat(count, [sequence], [channel]);

    /// <summary>A number of layers whose mixers follow one another over and over.</summary>
    /// <param name="count">How many, 1 to <see cref="MostLayers"/>.</param>
    /// <param name="sequence">Sequence mixers, at least one.</param>
    /// <param name="channel">Channel mixers, at least one; null stands for a layer without.</param>
    /// <exception cref="DynConvException">There would be none, or far more than any model has.</exception>
    public static IReadOnlyList<LayerConfiguration> Repeat(
        int count, IReadOnlyList<MixerConfiguration> sequence, IReadOnlyList<MixerConfiguration?> channel)
    {
        Require.LayerCount(count);
        return [.. Enumerable.Range(0, count).Select(i => new LayerConfiguration(sequence[i % sequence.Count], channel[i % channel.Count]))];
    }

    /// <summary>The layer with its mixers changed.</summary>
    /// <param name="change">What becomes of each.</param>
    public LayerConfiguration With(Func<MixerConfiguration, MixerConfiguration> change) =>
        new(change(Sequence), Channel is null ? null : change(Channel));
}
