using DynConv.Models.Tokenizers;
using DynConv.Serialization;

namespace DynConv.Training.Tests.Data;

/// <summary>
/// Bytes as ids, shifted so that a large vocabulary can be had, and one id for the end of text; a silent byte has none,
/// so that documents of no ids can be had.
/// </summary>
internal sealed class FakeTokenizer(bool endOfText = true, int shift = 0, byte? silent = null) : ITokenizer
{
    public const int End = 256;

    public int VocabularySize => shift + (endOfText ? 257 : 256);

    public int? EndOfTextId => endOfText ? shift + End : null;

    public ITokenizer WithEndOfText(int id) => throw new NotSupportedException();

    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens)
    {
        foreach (byte value in text)
        {
            if (value != silent)
            {
                tokens.Add(shift + value);
            }
        }
    }

    public byte[] Decode(ReadOnlySpan<int> tokens)
    {
        var bytes = new List<byte>();
        foreach (int token in tokens)
        {
            if (token != EndOfTextId)
            {
                bytes.Add((byte)(token - shift));
            }
        }

        return [.. bytes];
    }

    public void Save(string path) => AtomicFile.WriteAllText(path, $"bytes {endOfText} {shift} {silent}");
}
