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

    public static void Write(string folder, ModelConfiguration model, ITokenizer tokenizer)
    {
        var forTokenizer = new JsonObject
        {
            ["tokenizer_class"] = "PreTrainedTokenizerFast",
            ["model_max_length"] = model.MaxPositions,
            ["clean_up_tokenization_spaces"] = false,
        };
        var forGeneration = new JsonObject();
        if (tokenizer.EndOfTextId is { } id)
        {
            string name = Encoding.UTF8.GetString(tokenizer.Decode([id]));
            forTokenizer["bos_token"] = name;
            forTokenizer["eos_token"] = name;
            forGeneration["bos_token_id"] = id;
            forGeneration["eos_token_id"] = id;
        }

        Write(folder, TokenizerConfiguration, forTokenizer);
        Write(folder, GenerationConfiguration, forGeneration);
    }

    private static void Write(string folder, string name, JsonObject content) =>
        AtomicFile.WriteAllText(Path.Combine(folder, name), content.ToJsonString(ConfigurationFile.Indented) + "\n");
}
