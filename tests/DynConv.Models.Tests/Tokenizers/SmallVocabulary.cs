using System.Text.Json;
using System.Text.Json.Nodes;
using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary>A tokenizer.json of the 256 bytes, a few merges and <c>&lt;|endoftext|&gt;</c>, for a test to change.</summary>
internal static class SmallVocabulary
{
    /// <summary>Tokens 256 on: "he", "ll", "hell", "hello", " w"; then the special token 261.</summary>
    public static JsonObject Make()
    {
        var vocabulary = new JsonObject();
        foreach ((string token, int id) in BpeVocabulary.ByteTokens())
        {
            vocabulary[token] = id;
        }

        string[] merges = ["h e", "l l", "he ll", "hell o", "Ġ w"];
        foreach (string merge in merges)
        {
            vocabulary[merge.Replace(" ", "", StringComparison.Ordinal)] = vocabulary.Count;
        }

        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(new JsonObject
            {
                ["id"] = vocabulary.Count,
                ["content"] = "<|endoftext|>",
                ["special"] = true,
            }),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false },
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray([.. merges.Select(merge => (JsonNode)merge)]),
            },
        };
    }

    public static ITokenizer Load(Action<JsonObject> change)
    {
        JsonObject json = Make();
        change(json);
        using var folder = new TemporaryFolder();
        return TokenizerLoader.Load(folder.Write("tokenizer.json", json.ToJsonString()));
    }

    public static DynConvException Refused(Action<JsonObject> change) =>
        Assert.Throws<DynConvException>(() => Load(change));

    public static JsonNode Json(string text) => JsonNode.Parse(text) ?? throw new JsonException("null");
}
