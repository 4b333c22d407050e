using System.Text.Encodings.Web;
using System.Text.Json;

namespace DynConv.Models.Tokenizers;

/// <summary>Writes byte-level BPE as Hugging Face's <c>tokenizer.json</c>.</summary>
internal static class TokenizerJsonWriter
{
    private static readonly JsonWriterOptions Readable = new()
    {
        Indented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes the file, complete or not at all: as it was read, or byte-level BPE with a known pattern.</summary>
    /// <exception cref="DynConvException">The file cannot be written.</exception>
    public static void Write(string path, BpeVocabulary vocabulary, BpeSettings settings) =>
        TokenizerFiles.Write(path, stream =>
        {
            if (settings.Source is byte[] source)
            {
                stream.Write(source);
                return;
            }

            using var json = new Utf8JsonWriter(stream, Readable);
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            WriteAddedTokens(json, vocabulary.Added);
            json.WriteNull("normalizer");
            WritePretokenizer(json, settings);
            json.WriteNull("post_processor");
            json.WritePropertyName("decoder");
            WriteByteLevel(json, addPrefixSpace: true, useRegex: true);
            WriteModel(json, vocabulary);
            json.WriteEndObject();
        });

    private static void WriteAddedTokens(Utf8JsonWriter json, IReadOnlyList<AddedToken> added)
    {
        json.WriteStartArray("added_tokens");
        foreach (AddedToken token in added)
        {
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("content", token.Content);
            json.WriteBoolean("single_word", token.SingleWord);
            json.WriteBoolean("lstrip", token.LeftStrip);
            json.WriteBoolean("rstrip", token.RightStrip);
            json.WriteBoolean("normalized", token.Normalized);
            json.WriteBoolean("special", token.Special);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WritePretokenizer(Utf8JsonWriter json, BpeSettings settings)
    {
        json.WritePropertyName("pre_tokenizer");
        if (settings.Pattern != PretokenizerPattern.Llama3)
        {
            WriteByteLevel(json, addPrefixSpace: false, useRegex: settings.Pattern == PretokenizerPattern.Gpt2);
            return;
        }

        json.WriteStartObject();
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", PretokenizerRegex.Llama3);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
        json.WriteEndObject();
        WriteByteLevel(json, addPrefixSpace: false, useRegex: false);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, bool addPrefixSpace, bool useRegex)
    {
        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", addPrefixSpace);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", useRegex);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, BpeVocabulary vocabulary)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", false);
        json.WriteStartObject("vocab");
        foreach ((string token, int id) in vocabulary.Ids.OrderBy(token => token.Value))
        {
            json.WriteNumber(token, id);
        }

        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach ((string left, string right) in vocabulary.MergePairs)
        {
            // The older of the two spellings, which every version reads.
            json.WriteStringValue($"{left} {right}");
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
