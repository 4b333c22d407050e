using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using DynConv.Models.Tokenizers;
using DynConv.Serialization;

namespace DynConv.Models;

/// <summary>A tokenizer without its template, here and in the file that it is saved to.</summary>
internal sealed class BareTokenizer(ITokenizer inner) : ITokenizer
{
    public int VocabularySize => inner.VocabularySize;

    public int? EndOfTextId => inner.EndOfTextId;

    public TokenTemplate Template => TokenTemplate.Empty;

    public bool Contains(int id) => inner.Contains(id);

    public int? FindToken(string content) => inner.FindToken(content);

    public ITokenizer WithEndOfText(int id) => new BareTokenizer(inner.WithEndOfText(id));

    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens) => inner.Encode(text, tokens);

    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens, EncodeOptions options) => inner.Encode(text, tokens, options);

    public int FindCut(ReadOnlySpan<byte> text) => inner.FindCut(text);

    public byte[] Decode(ReadOnlySpan<int> tokens) => inner.Decode(tokens);

    public int ByteCount(int id) => inner.ByteCount(id);

    public void Save(string path)
    {
        // Beside the file that it becomes, so that this one is complete or not there.
        string whole = path + ".whole.tmp";
        try
        {
            inner.Save(whole);
            AtomicFile.WriteAllText(path, WithoutTemplate(File.ReadAllBytes(whole)) + "\n");
        }
        finally
        {
            File.Delete(whole);
        }
    }

    /// <summary>
    /// The same file without a post-processor. Token by token, as a reader of tokenizers takes it: with a key that stands
    /// there twice, or a byte order mark.
    /// </summary>
    private static string WithoutTemplate(ReadOnlySpan<byte> json)
    {
        if (json.StartsWith(Encoding.UTF8.Preamble))
        {
            json = json[Encoding.UTF8.Preamble.Length..];
        }

        using var to = new MemoryStream();
        using (var writer = new Utf8JsonWriter(to, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            var reader = new Utf8JsonReader(json);
            reader.Read();
            writer.WriteStartObject();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isTemplate = reader.ValueTextEquals("post_processor"u8);
                writer.WritePropertyName(reader.GetString()!);
                reader.Read();
                int start = checked((int)reader.TokenStartIndex);
                reader.Skip();
                writer.WriteRawValue(isTemplate ? "null"u8 : json[start..checked((int)reader.BytesConsumed)], skipInputValidation: true);
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(to.GetBuffer().AsSpan(0, (int)to.Length));
    }
}
