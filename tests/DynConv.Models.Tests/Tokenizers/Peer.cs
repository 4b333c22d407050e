using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary>Microsoft.ML.Tokenizers' byte-level BPE, to compare with.</summary>
internal static class Peer
{
    /// <summary>The vocabulary of a tokenizer.json with merges written as strings.</summary>
    public static BpeTokenizer Of(string tokenizerJson, string regex)
    {
        JsonElement model = JsonElement.Parse(File.ReadAllText(tokenizerJson)).GetProperty("model");
        return Of(
            model.GetProperty("vocab").Deserialize<Dictionary<string, int>>()!,
            [.. model.GetProperty("merges").EnumerateArray().Select(merge => merge.GetString()!)],
            regex);
    }

    public static BpeTokenizer Of(Dictionary<string, int> ids, string[] merges, string regex) =>
        BpeTokenizer.Create(new BpeOptions(ids)
        {
            Merges = merges,
            PreTokenizer = new RegexPreTokenizer(new Regex(regex), null),
            ByteLevel = true,
        });
}
