using System.Text.Json.Nodes;
using DynConv.Models.Layers;

namespace DynConv.Models.HuggingFace;

/// <summary>
/// One <c>model_type</c> of <c>config.json</c>: how its keys and the names of its tensors say what a model is.
/// </summary>
internal abstract class ModelFormat
{
    private const string ConvolutionKey = "short_conv";
    private const string PlacementKey = "placement";

    /// <summary>All formats. A model is written in the first one that can say all of it.</summary>
    public static IReadOnlyList<ModelFormat> All { get; } =
    [
        new LlamaFormat(), new Qwen3Format(), new Qwen2Format(), new MistralFormat(), new Mamba2Format(), new GatedDeltaNetFormat(),
        new DynConvLlamaFormat(), new DynConvFormat(),
    ];

    /// <summary>The value of <c>model_type</c>.</summary>
    public abstract string ModelType { get; }

    /// <summary>The value of <c>architectures</c>.</summary>
    public abstract string Architecture { get; }

    /// <summary>The format of a <c>model_type</c>.</summary>
    /// <exception cref="UnknownModelTypeException">There is none.</exception>
    public static ModelFormat Of(string modelType) =>
        All.FirstOrDefault(format => format.ModelType == modelType) ?? throw new UnknownModelTypeException(modelType);

    /// <summary>The format that a model is written in.</summary>
    public static ModelFormat For(ModelConfiguration model) => All.First(format => format.CanWrite(model));

    /// <summary>Whether it can say all there is to a model.</summary>
    public abstract bool CanWrite(ModelConfiguration model);

    /// <summary>Reads a whole <c>config.json</c>, which may name some kinds of mixers.</summary>
    public abstract ModelConfiguration Read(JsonSection root, MixerKinds mixers);

    /// <summary>Writes what a model is, beside the keys that all formats share.</summary>
    public abstract void Write(ModelConfiguration model, JsonObject root);

    /// <summary>Where a checkpoint keeps one of a model's parameters.</summary>
    public virtual StoredPlace PlaceOf(string parameter) => new(parameter);

    /// <summary>Key and value heads where a file does not say, as older files leave out what is usual; null for as many as query heads.</summary>
    protected virtual int? UsualKeyValueHeads => null;

    /// <summary>Channels of a head where a file does not say; null for the hidden size over the number of heads.</summary>
    protected virtual int? UsualHeadDimension => null;

    /// <summary>The longest sequence where a file does not say.</summary>
    protected virtual int UsualMaxPositions => 2048;

    /// <summary>What is the same in the files of most tools, around given layers.</summary>
    protected ModelConfiguration ReadCommon(JsonSection root, IReadOnlyList<LayerConfiguration> layers) => new()
    {
        VocabularySize = root.RequiredInt("vocab_size"),
        HiddenSize = root.RequiredInt("hidden_size"),
        Layers = layers,
        MaxPositions = root.Int("max_position_embeddings") ?? UsualMaxPositions,
        NormEpsilon = root.Double("rms_norm_eps") ?? 1e-6,
        TiedEmbeddings = root.Bool("tie_word_embeddings") ?? false,
    };

    /// <summary>
    /// Layers of attention and feed-forward, all alike, from Llama's flat keys. A section of convolutions counts whatever
    /// <c>model_type</c> stands over it: to leave it out in silence would compute another model.
    /// </summary>
    protected ModelConfiguration ReadUniform(JsonSection root, Func<AttentionConfiguration, AttentionConfiguration>? change = null)
    {
        int hidden = root.RequiredInt("hidden_size");
        RefuseOtherLayers(root);
        var attention = AttentionConfiguration.Read(root, hidden, UsualKeyValueHeads, UsualHeadDimension);
        ModelConfiguration model = ReadCommon(root, LayerConfiguration.Repeat(
            root.RequiredInt("num_hidden_layers"), change?.Invoke(attention) ?? attention, FeedForwardConfiguration.Read(root, hidden)));
        if (root.Section(ConvolutionKey) is not { } section)
        {
            return model;
        }

        var convolution = ShortConvolutionConfiguration.Read(section);
        IReadOnlyList<string> placement = section.Strings(PlacementKey);
        section.RefuseOthers();
        return model.WithConvolutions(convolution, placement);
    }

    /// <summary>Keys that make another model of the same tensors, which nobody would notice.</summary>
    private static void RefuseOtherLayers(JsonSection root)
    {
        string[] known = ["full_attention", "sliding_attention"];
        if (root.StringsOrNull("layer_types")?.FirstOrDefault(type => !known.Contains(type)) is { } other)
        {
            throw new DynConvException($"layer_types has '{other}'; {string.Join(" and ", known)} can be computed.");
        }
    }

    /// <summary>Writes what <see cref="ReadUniform"/> reads.</summary>
    protected static void WriteUniform(ModelConfiguration model, JsonObject root)
    {
        UniformTransformer uniform = UniformTransformer.Of(model)!;
        uniform.Attention.Write(root);
        uniform.FeedForward.Write(root);
        if (uniform.Convolution is not null)
        {
            JsonObject section = uniform.Convolution.ToJson();
            section[PlacementKey] = new JsonArray([.. uniform.Placement.Select(name => (JsonNode)name)]);
            root[ConvolutionKey] = section;
        }
    }

    /// <summary>The window of Qwen's models, which only layers from <c>max_window_layers</c> on have, and only if it is switched on.</summary>
    protected static int? SlidingWindow(JsonSection root) =>
        root.Bool("use_sliding_window") == true && (root.Int("max_window_layers") ?? 28) < root.RequiredInt("num_hidden_layers")
            ? root.Int("sliding_window") ?? 4096
            : null;

    /// <summary>
    /// Some models look back on a window of tokens in some layers, which is not computed here. Within the window it makes no
    /// difference, so longer sequences are what is refused.
    /// </summary>
    protected static ModelConfiguration WithinWindow(ModelConfiguration model, int? window) =>
        window is { } tokens && tokens < 1
            ? throw new DynConvException($"sliding_window is {tokens}; it has to be at least 1.")
            : window is { } longest ? model with { MaxPositions = Math.Min(model.MaxPositions, longest) } : model;
}

/// <summary>A <c>config.json</c> is of a kind of model that is not here.</summary>
/// <param name="modelType">Its <c>model_type</c>.</param>
internal sealed class UnknownModelTypeException(string modelType) : DynConvException(
    $"model_type is '{modelType}'; {string.Join(", ", ModelFormat.All.SkipLast(1).Select(format => format.ModelType))} and {ModelFormat.All[^1].ModelType} can be read.")
{
}
