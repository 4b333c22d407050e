using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>How many bytes of text each id stands for, worked out when an id is first met.</summary>
internal sealed class TokenLengths
{
    private const int Unknown = -1;

    private readonly ITokenizer _tokenizer;
    private readonly int[] _lengths;

    public TokenLengths(ITokenizer tokenizer)
    {
        _tokenizer = tokenizer;
        _lengths = new int[tokenizer.VocabularySize];
        Array.Fill(_lengths, Unknown);
    }

    public long Sum(ReadOnlySpan<int> tokens)
    {
        long sum = 0;
        foreach (int token in tokens)
        {
            int length = _lengths[token];
            sum += length == Unknown ? Find(token) : length;
        }

        return sum;
    }

    // Two threads may find the same length at once and store the same number.
    private int Find(int token) => _lengths[token] = _tokenizer.ByteCount(token);
}
