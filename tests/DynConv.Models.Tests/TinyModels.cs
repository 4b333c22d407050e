using DynConv.Models.Layers;
using DynConv.Modules;

namespace DynConv.Models.Tests;

/// <summary>Shapes small enough for any test, with sizes that differ wherever they may.</summary>
internal static class TinyModels
{
    /// <summary>Grouped queries, heads that together are wider than the hidden size.</summary>
    public static ModelConfiguration Plain { get; } = Transformer(hidden: 12, intermediate: 20, layers: 2);

    /// <summary>
    /// Every kind of model: <c>none</c> and the kinds of convolutions, on q, k, v and on all layers, with biases, and
    /// <c>mixed</c>, whose layers and convolutions differ from place to place, one without a channel mixer.
    /// </summary>
    public static IEnumerable<string> Variants { get; } =
    [
        "none", "none qknorm", "none bias", "static qkv", "static all", "headwise qkv", "headwise all qknorm untied",
        "lowrank qkv", "lowrank all", "lowrank k,o,down qknorm untied", "lowrank all bias", "mixed", .. Recurrences,
    ];

    /// <summary>Models with recurrences in place of attention or beside it, with their own convolutions and others, and all settings.</summary>
    public static IEnumerable<string> Recurrences =>
        ["gdn", "gdn lowrank qkv", "gdn headwise qkv variant", "mamba2", "mamba2 lowrank qkv", "mamba2 headwise qkv variant", "mamba2 alone", "hybrid"];

    /// <summary>Layers all alike.</summary>
    public static ModelConfiguration Transformer(
        int hidden, int intermediate, int layers, int heads = 4, int keyValueHeads = 2, int headDimension = 4) => new()
    {
        VocabularySize = 29,
        HiddenSize = hidden,
        MaxPositions = 16,
        Layers = LayerConfiguration.Repeat(
            layers,
            new AttentionConfiguration { Heads = heads, KeyValueHeads = keyValueHeads, HeadDimension = headDimension },
            new FeedForwardConfiguration { IntermediateSize = intermediate }),
    };

    /// <summary>A shape by its name, as in <c>lowrank all qknorm untied</c>.</summary>
    public static ModelConfiguration Shape(string variant)
    {
        string[] words = variant.Split(' ');
        if (words[0] == "mixed")
        {
            return Plain with { Layers = [First, Second, First with { Channel = null }] };
        }

        if (words[0] is "gdn" or "mamba2")
        {
            MixerConfiguration mixer = words[0] == "gdn" ? DeltaNet(words.Contains("variant")) : Mamba(words.Contains("variant"));
            bool alone = words.Contains("alone");
            ModelConfiguration recurrent = Plain with
            {
                Layers = [.. Plain.Layers.Select(layer => new LayerConfiguration(mixer, alone ? null : layer.Channel))],
            };
            return words.Length == 1 || alone ? recurrent : recurrent.WithConvolutions(Convolution(words[1]), words[2]);
        }

        if (words[0] == "hybrid")
        {
            return Plain with { Layers = [new(DeltaNet(false), Second.Channel), Second, new(Mamba(true), null), First] };
        }

        bool bias = words.Contains("bias");
        ModelConfiguration shape = Plain.WithAttention(attention => attention with
        {
            QkNorm = words.Contains("qknorm"),
            QkvBias = bias,
            OutputBias = bias,
        }) with { TiedEmbeddings = !words.Contains("untied") };
        shape = shape with
        {
            Layers = [.. shape.Layers.Select(layer => layer with { Channel = (FeedForwardConfiguration)layer.Channel! with { Bias = bias } })],
        };
        return words[0] == "none" ? shape : shape.WithConvolutions(Convolution(words[0]), words[1]);
    }

    /// <summary>A short convolution by the name of its kind.</summary>
    public static ShortConvolutionConfiguration Convolution(string kind) => new()
    {
        Kind = ShortConvolutionKinds.Parse(kind),
        Width = 4,
        Rank = 3,
        HeadSize = 2,
    };

    /// <summary>A shape with the attention of every layer changed.</summary>
    public static ModelConfiguration WithAttention(
        this ModelConfiguration shape, Func<AttentionConfiguration, AttentionConfiguration> change) => shape with
    {
        Layers = [.. shape.Layers.Select(layer => layer with { Sequence = change((AttentionConfiguration)layer.Sequence) })],
    };

    private static GatedDeltaNetConfiguration DeltaNet(bool variant) => new()
    {
        Heads = 2,
        ValueHeads = variant ? 2 : 4,
        KeyDimension = 4,
        ValueDimension = 6,
        Gate = true,
        GateFirst = variant,
        NegativeEigenvalues = variant,
    };

    private static Mamba2Configuration Mamba(bool variant) => new()
    {
        Heads = 4,
        HeadDimension = 3,
        StateSize = 5,
        Groups = variant ? 1 : 2,
        Bias = variant,
        ConvolutionBias = !variant,
    };

    private static LayerConfiguration First => new(
        new AttentionConfiguration
        {
            Heads = 4,
            KeyValueHeads = 2,
            HeadDimension = 4,
            QkvBias = true,
            Convolutions = [new("q", Convolution("lowrank")), new("k", Convolution("static") with { Width = 2 }), new("o", Convolution("headwise"))],
        },
        new FeedForwardConfiguration { IntermediateSize = 20 });

    private static LayerConfiguration Second => new(
        new AttentionConfiguration { Heads = 3, KeyValueHeads = 1, HeadDimension = 5, Rope = null, QkNorm = true },
        new FeedForwardConfiguration
        {
            IntermediateSize = 14,
            Convolutions = [new("up", Convolution("lowrank") with { Rank = 2, Residual = false })],
        });

    /// <summary>
    /// A model whose weights are all drawn at random and large, those too that start as zeros or ones, so that each
    /// has a say in the outcome.
    /// </summary>
    public static LanguageModel Random(string variant, ulong seed = 1) => Randomize(new LanguageModel(Shape(variant), seed), seed);

    public static LanguageModel Randomize(LanguageModel model, ulong seed)
    {
        var random = new RandomSource(seed);
        foreach ((string name, Parameter parameter) in model.NamedParameters())
        {
            using Tensor values = random.Fork(name).Normal(parameter.Shape, 0.3);
            using Tensor target = parameter.Tensor.Detach();
            target.CopyFrom(values);
        }

        return model;
    }

    public static Tensor Ids(params int[] ids) => Tensor.From(ids, [1, ids.Length]);

    public static Dictionary<string, float[]> Weights(LanguageModel model) =>
        model.NamedParameters().ToDictionary(p => p.Key, p => p.Value.Tensor.ToArray<float>());
}
