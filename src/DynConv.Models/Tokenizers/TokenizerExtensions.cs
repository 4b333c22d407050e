using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>Encoding from and decoding to strings.</summary>
public static class TokenizerExtensions
{
    /// <summary>The ids of the UTF-8 bytes of <paramref name="text"/>.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="text">Plain text; a lone surrogate counts as U+FFFD.</param>
    public static int[] Encode(this ITokenizer tokenizer, string text)
    {
        List<int> tokens = [];
        tokenizer.Encode(Encoding.UTF8.GetBytes(text), tokens);
        return [.. tokens];
    }

    /// <summary>The text that <paramref name="tokens"/> stand for, with U+FFFD for bytes that are not UTF-8.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="tokens">Ids of its vocabulary.</param>
    /// <exception cref="DynConvException">An id is not in the vocabulary.</exception>
    public static string DecodeText(this ITokenizer tokenizer, ReadOnlySpan<int> tokens) =>
        Encoding.UTF8.GetString(tokenizer.Decode(tokens));
}
