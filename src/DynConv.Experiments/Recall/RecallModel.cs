using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Modules;

namespace DynConv.Experiments.Recall;

/// <summary>The small Transformer that learns a task, without its convolutions.</summary>
public sealed record RecallModel
{
    /// <summary>Blocks.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>Channels between blocks.</summary>
    public int Channels { get; init; } = 32;

    /// <summary>Attention heads; divides <see cref="Channels"/> into even parts.</summary>
    public int Heads { get; init; } = 1;

    /// <summary>Channels inside the feed-forward layers.</summary>
    public int FeedForward { get; init; } = 64;

    /// <summary>Taps of the convolutions on queries, keys and values.</summary>
    public int Width { get; init; } = 4;

    /// <summary>Bottleneck of low-rank convolutions.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>Channels that share a filter of head-wise convolutions.</summary>
    public int HeadSize { get; init; } = 16;

    /// <summary>The shape of the model for a task.</summary>
    /// <param name="vocabulary">Token ids.</param>
    /// <param name="positions">Tokens of the longest sequence.</param>
    /// <param name="conv"><c>none</c>, <c>static</c>, <c>headwise</c> or <c>lowrank</c>.</param>
    public ModelConfiguration Configuration(int vocabulary, int positions, string conv)
    {
        if (Heads < 1 || Channels % Heads != 0)
        {
            throw new DynConvException($"{Heads} heads do not divide {Channels} channels.");
        }

        var model = new ModelConfiguration
        {
            VocabularySize = vocabulary,
            HiddenSize = Channels,
            MaxPositions = positions,
            Layers = LayerConfiguration.Repeat(
                Layers,
                new AttentionConfiguration { Heads = Heads, KeyValueHeads = Heads, HeadDimension = Channels / Heads },
                new FeedForwardConfiguration { IntermediateSize = FeedForward }),
        };
        ShortConvolutionConfiguration? convolution = ShortConvolutionKinds.ParseOrNone(conv) is { } kind
            ? new ShortConvolutionConfiguration { Kind = kind, Width = Width, Rank = Rank, HeadSize = HeadSize }
            : null;
        return model.WithConvolutions(convolution).Validate();
    }
}
