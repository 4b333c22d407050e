using System.Text.Json.Nodes;
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
        inner.Save(path);
        JsonNode file = JsonNode.Parse(File.ReadAllBytes(path))!;
        file["post_processor"] = null;
        AtomicFile.WriteAllText(path, file.ToJsonString(ConfigurationFile.Indented) + "\n");
    }
}
