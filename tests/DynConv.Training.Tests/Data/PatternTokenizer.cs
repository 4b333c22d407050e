using System.Text;
using System.Text.RegularExpressions;
using DynConv.Models.Tokenizers;
using DynConv.Serialization;

namespace DynConv.Training.Tests.Data;

/// <summary>One id for each word that a pre-tokenizer's pattern finds; it cannot decode.</summary>
internal sealed class PatternTokenizer(string pattern) : ITokenizer
{
    public const string Gpt2 = @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private readonly Regex _words = new(pattern, RegexOptions.Compiled);

    public int VocabularySize => 1 << 20;

    public int? EndOfTextId => null;

    public ITokenizer WithEndOfText(int id) => throw new NotSupportedException();

    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens)
    {
        foreach (ValueMatch match in _words.EnumerateMatches(Encoding.UTF8.GetString(text)))
        {
            // Lengths alone say where the words are cut, and that is all that matters here.
            tokens.Add(match.Length);
        }
    }

    public byte[] Decode(ReadOnlySpan<int> tokens) => throw new NotSupportedException();

    public void Save(string path) => AtomicFile.WriteAllText(path, pattern);
}
