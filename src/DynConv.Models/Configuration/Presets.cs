using DynConv.Models.Layers;

namespace DynConv.Models;

/// <summary>
/// Model shapes by name: some for a CPU, and the paper's, whose parameter counts they reproduce. Those with <c>gdn</c> or <c>mamba2</c> in
/// their names have the same layers with another sequence mixer in place of attention.
/// </summary>
public static class Presets
{
    /// <summary>All names, smallest first.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["nano", "nano-gdn", "nano-mamba2", "micro", "150m", "300m", "300m-gdn", "300m-mamba2", "600m", "1b", "2b"];

    /// <summary>The model of a name, without convolutions but those that its mixers have of their own.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    public static ModelConfiguration Get(string name) => name switch
    {
        "nano" => Shape(layers: 4, hidden: 128, headDimension: 32, vocabulary: 257, positions: 256),
        "nano-gdn" => With(Get("nano"), new GatedDeltaNetConfiguration { Heads = 2, ValueHeads = 2, KeyDimension = 32, ValueDimension = 64 }),
        "nano-mamba2" => With(Get("nano"), new Mamba2Configuration { Heads = 5, HeadDimension = 32, StateSize = 16 }),
        "micro" => Shape(layers: 6, hidden: 384, headDimension: 64, vocabulary: 257, positions: 256),
        "150m" => Paper(layers: 12, hidden: 768, headDimension: 64),
        "300m" => Paper(layers: 16, hidden: 1024, headDimension: 64),
        "300m-gdn" => With(Get("300m"), new GatedDeltaNetConfiguration { Heads = 2, ValueHeads = 2, KeyDimension = 256, ValueDimension = 512 }),
        "300m-mamba2" => With(Get("300m"), new Mamba2Configuration { Heads = 64, HeadDimension = 19, StateSize = 216 }),
        "600m" => Paper(layers: 24, hidden: 1280, headDimension: 64),
        "1b" => Paper(layers: 30, hidden: 1536, headDimension: 128),
        "2b" => Paper(layers: 32, hidden: 2048, headDimension: 128),
        _ => throw new DynConvException($"There is no preset '{name}'; there are {string.Join(", ", Names)}."),
    };

    private static ModelConfiguration With(ModelConfiguration model, MixerConfiguration sequence) => model with
    {
        Layers = [.. model.Layers.Select(layer => layer with { Sequence = sequence })],
    };

    private static ModelConfiguration Paper(int layers, int hidden, int headDimension) =>
        Shape(layers, hidden, headDimension, vocabulary: 100_352, positions: 4096);

    private static ModelConfiguration Shape(int layers, int hidden, int headDimension, int vocabulary, int positions) => new()
    {
        VocabularySize = vocabulary,
        HiddenSize = hidden,
        MaxPositions = positions,
        Layers = LayerConfiguration.Repeat(
            layers,
            new AttentionConfiguration
            {
                Heads = hidden / headDimension,
                KeyValueHeads = hidden / headDimension,
                HeadDimension = headDimension,
            },
            new FeedForwardConfiguration { IntermediateSize = IntermediateSize(hidden) }),
    };

    /// <summary>The paper's feed-forward width: 2.6875 times the hidden size.</summary>
    /// <param name="hidden">Channels between layers.</param>
    public static int IntermediateSize(int hidden) => (int)Math.Min(int.MaxValue, hidden * 43L / 16);
}
