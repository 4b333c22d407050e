using DynConv.Models.Tokenizers;
using DynConv.Serialization;

namespace DynConv.Training.Tests.Data;

/// <summary>One id for each byte: its place in the text, counted from a first id.</summary>
internal sealed class CountingTokenizer(int first) : ITokenizer
{
    public int VocabularySize => first + (1 << 20);

    public int? EndOfTextId => null;

    public ITokenizer WithEndOfText(int id) => throw new NotSupportedException();

    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens)
    {
        for (int i = 0; i < text.Length; i++)
        {
            tokens.Add(first + i);
        }
    }

    public byte[] Decode(ReadOnlySpan<int> tokens) => new byte[tokens.Length];

    public void Save(string path) => AtomicFile.WriteAllText(path, $"counting {first}");
}
