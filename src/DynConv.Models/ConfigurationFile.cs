using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using DynConv.Models.HuggingFace;
using DynConv.Models.Layers;

namespace DynConv.Models;

/// <summary>Reads and writes Hugging Face's <c>config.json</c>.</summary>
/// <remarks>
/// <c>model_type</c> is <c>llama</c> for a plain Transformer, <c>qwen3</c> for one with QK-norm and <c>qwen2</c> for one with
/// biases on queries, keys and values, <c>mamba2</c> and <c>gated_deltanet</c> for these with their own convolutions, so that other tools
/// load them; <c>dynconv_llama</c> where all layers are alike otherwise,
/// for example with the same convolutions, and <c>dynconv</c> for everything else.
/// </remarks>
public static class ConfigurationFile
{
    internal static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The file's text.</summary>
    /// <param name="configuration">A model's shape.</param>
    /// <param name="endOfTextId">The tokenizer's separator of documents, if it has one; also what a text begins with.</param>
    public static string ToJson(ModelConfiguration configuration, int? endOfTextId = null) =>
        ToJson(configuration, endOfTextId, endOfTextId is { } id ? [id] : []);

    /// <summary>The file's text.</summary>
    /// <param name="configuration">A model's shape.</param>
    /// <param name="beginningOfTextId">The token that texts begin with; null for none.</param>
    /// <param name="endTokens">Tokens that end a text.</param>
    internal static string ToJson(ModelConfiguration configuration, int? beginningOfTextId, IReadOnlyList<int> endTokens)
    {
        ModelConfiguration c = configuration.Validate();
        ModelFormat format = ModelFormat.For(c);
        var root = new JsonObject
        {
            ["architectures"] = new JsonArray(format.Architecture),
            ["model_type"] = format.ModelType,
            ["vocab_size"] = c.VocabularySize,
            ["hidden_size"] = c.HiddenSize,
            ["num_hidden_layers"] = c.Layers.Count,
            ["max_position_embeddings"] = c.MaxPositions,
            ["rms_norm_eps"] = c.NormEpsilon,
            ["tie_word_embeddings"] = c.TiedEmbeddings,
            ["torch_dtype"] = "float32",
        };
        CompanionFiles.SetIds(root, beginningOfTextId, endTokens);
        format.Write(c, root);
        return root.ToJsonString(Indented) + "\n";
    }

    /// <summary>Reads a file and checks that this library computes what it describes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mixers">The kinds of mixers that it may name; this library's if not given.</param>
    public static ModelConfiguration Read(string path, MixerKinds? mixers = null) => ReadWithFormat(path, mixers).Configuration;

    /// <summary>Reads the file's text.</summary>
    /// <param name="json">As <see cref="ToJson(ModelConfiguration, int?)"/> writes it, or as other tools write a <c>model_type</c> that is known here.</param>
    /// <param name="mixers">The kinds of mixers that it may name; this library's if not given.</param>
    public static ModelConfiguration Parse(string json, MixerKinds? mixers = null) =>
        ReadFormat(JsonFile.Parse(Encoding.UTF8.GetBytes(json)), mixers).Configuration;

    /// <summary>Reads a file, and says in which format it is.</summary>
    internal static (ModelConfiguration Configuration, ModelFormat Format) ReadWithFormat(string path, MixerKinds? mixers = null) =>
        Read(path, root => ReadFormat(root, mixers));

    /// <summary>Says in which format a file is, whatever its model is made of.</summary>
    internal static ModelFormat FormatOf(string path) => Read(path, FormatOf);

    private static T Read<T>(string path, Func<JsonSection, T> read)
    {
        JsonSection root = JsonFile.Read(path);
        try
        {
            return read(root);
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{path}: {exception.Message}", exception);
        }
    }

    private static (ModelConfiguration Configuration, ModelFormat Format) ReadFormat(JsonSection root, MixerKinds? mixers)
    {
        ModelFormat format = FormatOf(root);
        return (format.Read(root, mixers ?? MixerKinds.BuiltIn).Validate(), format);
    }

    private static ModelFormat FormatOf(JsonSection root) => ModelFormat.Of(root.String("model_type") ?? "llama");
}
