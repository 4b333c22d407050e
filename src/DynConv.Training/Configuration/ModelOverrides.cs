namespace DynConv.Training;

/// <summary>Parts of a model's shape that differ from its preset; null for what does not.</summary>
public sealed record ModelOverrides
{
    /// <summary>Channels between blocks.</summary>
    public int? HiddenSize { get; init; }

    /// <summary>Channels inside the feed-forward layer; 2.6875 times the hidden size if only that is given.</summary>
    public int? IntermediateSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public int? Layers { get; init; }

    /// <summary>Query heads.</summary>
    public int? AttentionHeads { get; init; }

    /// <summary>Key and value heads; as many as query heads if only those are given.</summary>
    public int? KeyValueHeads { get; init; }

    /// <summary>Channels of a head.</summary>
    public int? HeadDimension { get; init; }

    /// <summary>Base of the rotary position embedding.</summary>
    public double? RopeTheta { get; init; }

    /// <summary>Whether the output layer uses the embedding's weights.</summary>
    public bool? TiedEmbeddings { get; init; }

    /// <summary>The sequence mixers of the layers, over and over; attention in all of them if not given.</summary>
    public MixerPattern? SequenceMixers { get; init; }

    /// <summary>The channel mixers of the layers, over and over; feed-forward in all of them if not given.</summary>
    public MixerPattern? ChannelMixers { get; init; }
}
