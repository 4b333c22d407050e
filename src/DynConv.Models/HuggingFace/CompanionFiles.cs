using System.Text;
using System.Text.Json.Nodes;
using DynConv.Models.Tokenizers;
using DynConv.Serialization;

namespace DynConv.Models.HuggingFace;

/// <summary>The small files beside a model and its tokenizer, without which other tools guess.</summary>
internal static class CompanionFiles
{
    public const string TokenizerConfiguration = "tokenizer_config.json";
    public const string GenerationConfiguration = "generation_config.json";

    // Where no template says it: what tokenizers call the beginning of a text.
    private static readonly string[] BeginningNames =
        ["<|begin_of_text|>", "<s>", "<bos>", "<|bos|>", "<|startoftext|>", "<|begin\u2581of\u2581sentence|>", "<\uFF5Cbegin\u2581of\u2581sentence\uFF5C>"];

    /// <summary>The token that a text begins with; where there is none of its own, the one that ends the text before.</summary>
    public static int? Beginning(ITokenizer tokenizer) =>
        tokenizer.Template.Before is [var first, ..] ? first
        : BeginningNames.Select(tokenizer.FindToken).FirstOrDefault(id => id is not null && tokenizer.ByteCount(id.Value) == 0) ?? tokenizer.EndOfTextId;

    public static void Write(string folder, ModelConfiguration model, ITokenizer tokenizer, IReadOnlyList<int> endTokens)
    {
        var forTokenizer = new JsonObject
        {
            ["tokenizer_class"] = "PreTrainedTokenizerFast",
            ["model_max_length"] = model.MaxPositions,
            ["clean_up_tokenization_spaces"] = false,
        };
        if (Beginning(tokenizer) is { } first)
        {
            forTokenizer["bos_token"] = Name(first);
        }

        // An id can be one that a model made for another tokenizer ends with: no name, or that of a letter.
        if (endTokens.Where(id => tokenizer.Contains(id) && (id == tokenizer.EndOfTextId || tokenizer.ByteCount(id) == 0)).Cast<int?>().FirstOrDefault() is { } end)
        {
            forTokenizer["eos_token"] = Name(end);
        }

        var forGeneration = new JsonObject();
        SetIds(forGeneration, Beginning(tokenizer), endTokens);
        Write(folder, TokenizerConfiguration, forTokenizer);
        Write(folder, GenerationConfiguration, forGeneration);

        string Name(int id) => Encoding.UTF8.GetString(tokenizer.Decode([id]));
    }

    /// <summary>Sets the ids of the beginning and of the end, the latter as a list if it has several.</summary>
    public static void SetIds(JsonObject file, int? beginning, IReadOnlyList<int> ends)
    {
        if (beginning is { } first)
        {
            file["bos_token_id"] = first;
        }

        if (ends.Count > 0)
        {
            file["eos_token_id"] = ends.Count == 1 ? ends[0] : new JsonArray([.. ends.Select(id => (JsonNode)id)]);
        }
    }

    private static void Write(string folder, string name, JsonObject content) =>
        AtomicFile.WriteAllText(Path.Combine(folder, name), content.ToJsonString(ConfigurationFile.Indented) + "\n");
}
