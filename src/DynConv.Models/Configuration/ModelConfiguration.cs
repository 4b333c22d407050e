using DynConv.Models.Layers;
using DynConv.Modules;

namespace DynConv.Models;

/// <summary>
/// The shape of a language model: an embedding, a list of layers, a norm and an output layer. What <c>config.json</c> holds.
/// </summary>
public sealed record ModelConfiguration
{
    /// <summary>Number of token ids.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Channels between layers, D.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>The layers, first to last; they may differ.</summary>
    public required IReadOnlyList<LayerConfiguration> Layers
    {
        get;
        init => field = ValueList<LayerConfiguration>.Of(value);
    }

    /// <summary>Longest sequence that the model is meant for, in tokens.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Added to the mean square under the root of each norm.</summary>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <summary>Whether the output layer uses the embedding's weights.</summary>
    public bool TiedEmbeddings { get; init; } = true;

    /// <summary>Names of all linear layers that a convolution can follow, in the order in which a token meets them.</summary>
    public IReadOnlyList<string> LinearLayers =>
        [.. Mixers.SelectMany(mixer => mixer.LinearLayers(HiddenSize)).Select(layer => layer.Name).Distinct()];

    /// <summary>The convolutions in the model, each place and setting once, in the order in which a token meets them.</summary>
    public IReadOnlyList<PlacedConvolution> Convolutions => [.. Mixers.SelectMany(mixer => mixer.Convolutions).Distinct()];

    /// <summary>All mixers, first to last.</summary>
    internal IEnumerable<MixerConfiguration> Mixers => Layers.SelectMany(layer => layer.Mixers);

    /// <summary>The model with the same short convolution behind linear layers of some names, in every layer that has them.</summary>
    /// <param name="convolution">Its settings; null for none but those that mixers have of their own.</param>
    /// <param name="placement">
    /// <c>qkv</c>, which takes in the <c>xbc</c> of Mamba-2, <c>all</c>, or names from <see cref="LinearLayers"/> with commas between them.
    /// </param>
    /// <exception cref="DynConvException">No layer has a linear layer of such a name.</exception>
    public ModelConfiguration WithConvolutions(ShortConvolutionConfiguration? convolution, string placement = "qkv") =>
        WithConvolutions(convolution, ParsePlacement(placement));

    /// <inheritdoc cref="WithConvolutions(ShortConvolutionConfiguration?, string)"/>
    /// <param name="convolution">Its settings; null for none but those that mixers have of their own.</param>
    /// <param name="placement">Names from <see cref="LinearLayers"/>.</param>
    public ModelConfiguration WithConvolutions(ShortConvolutionConfiguration? convolution, IReadOnlyCollection<string> placement)
    {
        if (convolution is null || Layers.Count == 0)
        {
            return WithConvolutionsAt(null, []);
        }

        string where = $"qkv, all, or some of {string.Join(", ", LinearLayers)}";
        if (placement.FirstOrDefault(name => !LinearLayers.Contains(name)) is { } unknown)
        {
            throw new DynConvException($"There is no linear layer '{unknown}' to place a convolution on; use {where}.");
        }

        return placement.Count > 0
            ? WithConvolutionsAt(convolution, placement)
            : throw new DynConvException($"A convolution needs a placement: {where}.");
    }

    /// <summary>Throws <see cref="DynConvException"/> with one sentence if the numbers do not make a model.</summary>
    /// <returns>This configuration.</returns>
    public ModelConfiguration Validate()
    {
        Require.AtLeastOne("vocab_size", VocabularySize);
        Require.Channels("hidden_size", HiddenSize);
        Require.LayerCount(Layers.Count);
        Require.AtLeastOne("max_position_embeddings", MaxPositions);
        if (NormEpsilon is not (>= 0 and < 1))
        {
            throw new DynConvException($"rms_norm_eps is {NormEpsilon}; it has to be at least 0 and below 1.");
        }

        // Layers are often all alike, and a scaling grid validates thousands of models.
        foreach (MixerConfiguration mixer in Mixers.Distinct())
        {
            mixer.ValidateAll(HiddenSize);
        }

        CheckHeadSizes();
        return this;
    }

    private ModelConfiguration WithConvolutionsAt(ShortConvolutionConfiguration? convolution, IReadOnlyCollection<string> placement) => this with
    {
        Layers = [.. Layers.Select(layer => layer.With(mixer => mixer.WithConvolutions(HiddenSize, convolution, placement)))],
    };

    private IReadOnlyList<string> ParsePlacement(string text) => text.Trim() switch
    {
        "all" => LinearLayers,
        "qkv" => [.. LinearLayers.Intersect(["q", "k", "v", "xbc"])],
        string names => names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
    };

    /// <summary>A head size has to suit all the layers that it is used on, so an error names those that do.</summary>
    private void CheckHeadSizes()
    {
        (string Name, int Channels, int HeadSize)[] heads =
        [
            .. Mixers.Distinct().SelectMany(mixer => mixer.Convolved(HiddenSize))
                .Where(layer => layer.Convolution?.Kind == ShortConvolutionKind.HeadWise)
                .Select(layer => (layer.Name, layer.Outputs, layer.Convolution!.HeadSize)),
        ];
        foreach ((string name, int channels, int headSize) in heads.Where(head => head.Channels % head.HeadSize != 0))
        {
            IEnumerable<int> fitting = Enumerable.Range(1, 256).Where(size => heads.All(head => head.Channels % size == 0));
            throw new DynConvException(
                $"Head size {headSize} does not divide the {channels} channels of {name}; {string.Join(", ", fitting)} do.");
        }
    }
}
