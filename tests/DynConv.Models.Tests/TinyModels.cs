using DynConv.Modules;

namespace DynConv.Models.Tests;

/// <summary>Shapes small enough for any test, with sizes that differ wherever they may.</summary>
internal static class TinyModels
{
    /// <summary>Grouped queries, heads that together are wider than the hidden size.</summary>
    public static ModelConfiguration Plain { get; } = new()
    {
        VocabularySize = 29,
        HiddenSize = 12,
        IntermediateSize = 20,
        Layers = 2,
        AttentionHeads = 4,
        KeyValueHeads = 2,
        HeadDimension = 4,
        MaxPositions = 16,
    };

    /// <summary>Every kind of model: <c>none</c> and the kinds of convolutions, on q, k, v and on all layers.</summary>
    public static IEnumerable<string> Variants { get; } =
        ["none", "none qknorm", "static qkv", "static all", "headwise qkv", "headwise all qknorm untied", "lowrank qkv", "lowrank all", "lowrank k,o,down qknorm untied"];

    /// <summary>A shape by its name, as in <c>lowrank all qknorm untied</c>.</summary>
    public static ModelConfiguration Shape(string variant)
    {
        string[] words = variant.Split(' ');
        return Plain with
        {
            QkNorm = words.Contains("qknorm"),
            TiedEmbeddings = !words.Contains("untied"),
            ShortConvolution = words[0] == "none" ? null : new ShortConvolutionConfiguration
            {
                Kind = ShortConvolutionConfiguration.ParseKind(words[0]),
                Width = 4,
                Rank = 3,
                HeadSize = 2,
                Placement = ShortConvolutionConfiguration.ParsePlacement(words[1]),
            },
        };
    }

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
