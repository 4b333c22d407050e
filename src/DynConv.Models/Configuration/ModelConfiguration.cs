namespace DynConv.Models;

/// <summary>The shape of a language model: what <c>config.json</c> holds, with Hugging Face Llama's meanings.</summary>
public sealed record ModelConfiguration
{
    /// <summary>Number of token ids.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Channels between blocks, D.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Channels inside the feed-forward layer.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads.</summary>
    public required int AttentionHeads { get; init; }

    /// <summary>Key and value heads; divides <see cref="AttentionHeads"/>.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Channels of a head; even. Heads times this need not equal <see cref="HiddenSize"/>.</summary>
    public required int HeadDimension { get; init; }

    /// <summary>Longest sequence that the model is meant for, in tokens.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Added to the mean square under the root of each norm.</summary>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <summary>How the angles of the rotary position embedding fall with the channel.</summary>
    public RopeConfiguration Rope { get; init; } = new();

    /// <summary>Whether the output layer uses the embedding's weights.</summary>
    public bool TiedEmbeddings { get; init; } = true;

    /// <summary>Whether queries and keys are normalised, each head by itself, before the rotation.</summary>
    public bool QkNorm { get; init; }

    /// <summary>The short convolutions; null for a plain Transformer.</summary>
    public ShortConvolutionConfiguration? ShortConvolution { get; init; }

    /// <summary>Channels of all query heads together.</summary>
    public int QuerySize => AttentionHeads * HeadDimension;

    /// <summary>Channels of all key heads together.</summary>
    public int KeyValueSize => KeyValueHeads * HeadDimension;

    /// <summary>Output channels of the linear layer <paramref name="name"/>, one of <see cref="ShortConvolutionConfiguration.LinearLayers"/>.</summary>
    /// <param name="name">As in <c>q</c>.</param>
    public int OutputSize(string name) => name switch
    {
        "q" => QuerySize,
        "k" or "v" => KeyValueSize,
        "gate" or "up" => IntermediateSize,
        _ => HiddenSize,
    };

    /// <summary>Input channels of the linear layer <paramref name="name"/>, one of <see cref="ShortConvolutionConfiguration.LinearLayers"/>.</summary>
    /// <param name="name">As in <c>q</c>.</param>
    public int InputSize(string name) => name switch
    {
        "o" => QuerySize,
        "down" => IntermediateSize,
        _ => HiddenSize,
    };

    /// <summary>Throws <see cref="DynConvException"/> with one sentence if the numbers do not make a model.</summary>
    /// <returns>This configuration.</returns>
    public ModelConfiguration Validate()
    {
        foreach ((string name, int value) in new[]
        {
            ("vocab_size", VocabularySize), ("hidden_size", HiddenSize), ("intermediate_size", IntermediateSize),
            ("num_hidden_layers", Layers), ("num_attention_heads", AttentionHeads),
            ("num_key_value_heads", KeyValueHeads), ("head_dim", HeadDimension), ("max_position_embeddings", MaxPositions),
        })
        {
            if (value < 1)
            {
                throw new DynConvException($"{name} is {value}; it has to be at least 1.");
            }
        }

        if (AttentionHeads % KeyValueHeads != 0)
        {
            throw new DynConvException(
                $"num_key_value_heads {KeyValueHeads} does not divide num_attention_heads {AttentionHeads}.");
        }

        if (HeadDimension % 2 != 0)
        {
            throw new DynConvException($"head_dim is {HeadDimension}; the rotary embedding needs an even number.");
        }

        if (NormEpsilon is not (>= 0 and < 1))
        {
            throw new DynConvException($"rms_norm_eps is {NormEpsilon}; it has to be at least 0 and below 1.");
        }

        Rope.Validate();
        ShortConvolution?.Validate();
        if (ShortConvolution is { Kind: ShortConvolutionKind.HeadWise } convolution)
        {
            foreach (string name in convolution.Placement)
            {
                int channels = OutputSize(name);
                if (channels % convolution.HeadSize != 0)
                {
                    throw new DynConvException(
                        $"Head size {convolution.HeadSize} does not divide the {channels} channels of {name}; {FittingHeadSizes(convolution.Placement)} do.");
                }
            }
        }

        return this;
    }

    private string FittingHeadSizes(IReadOnlyList<string> placement) =>
        string.Join(", ", Enumerable.Range(1, 256).Where(size => placement.All(name => OutputSize(name) % size == 0)));
}
