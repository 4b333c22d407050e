namespace DynConv.Models.Tokenizers;

/// <summary>Decoding one token after another.</summary>
internal static class NextToken
{
    /// <summary>The bytes that a token adds to the text of those before it.</summary>
    /// <param name="tokenizer">The tokenizer that the tokens belong to.</param>
    /// <param name="before">The token before; null at the beginning of a text, where some tokenizers leave out a space.</param>
    /// <param name="token">The token.</param>
    public static byte[] DecodeNext(this ITokenizer tokenizer, int? before, int token)
    {
        if (before is not { } previous)
        {
            return tokenizer.Decode([token]);
        }

        // A decoder can take back what it gave for the first token alone; what has been given out stays.
        ReadOnlySpan<byte> both = tokenizer.Decode([previous, token]);
        return both[both.CommonPrefixLength(tokenizer.Decode([previous]))..].ToArray();
    }
}
