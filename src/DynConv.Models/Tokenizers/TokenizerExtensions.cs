using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>Encoding from and decoding to strings.</summary>
public static class TokenizerExtensions
{
    /// <summary>The ids of the UTF-8 bytes of <paramref name="text"/>.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="text">Text; a lone surrogate counts as U+FFFD.</param>
    /// <param name="specialTokens">What becomes of names of special tokens in the text.</param>
    public static int[] Encode(this ITokenizer tokenizer, string text, SpecialTokens specialTokens = SpecialTokens.Find)
    {
        List<int> tokens = [];
        tokenizer.Encode(Encoding.UTF8.GetBytes(text), tokens, new EncodeOptions { SpecialTokens = specialTokens });
        return [.. tokens];
    }

    /// <summary>The ids of the UTF-8 bytes of <paramref name="text"/>, with those of the template around them.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="text">Text; a lone surrogate counts as U+FFFD.</param>
    public static int[] EncodeWithTemplate(this ITokenizer tokenizer, string text)
    {
        List<int> tokens = [];
        tokenizer.EncodeWithTemplate(Encoding.UTF8.GetBytes(text), tokens);
        return [.. tokens];
    }

    /// <summary>Appends the ids of <paramref name="text"/> to <paramref name="tokens"/>, with those of the template around them.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="text">Any bytes.</param>
    /// <param name="tokens">Where the ids go.</param>
    /// <param name="options">How the text is encoded; a part gets the side of the template that it has a share in.</param>
    public static void EncodeWithTemplate(
        this ITokenizer tokenizer, ReadOnlySpan<byte> text, ICollection<int> tokens, EncodeOptions options = default)
    {
        if (!options.Part.HasFlag(TextPart.Continues))
        {
            AddAll(tokens, tokenizer.Template.Before);
        }

        tokenizer.Encode(text, tokens, options);
        if (!options.Part.HasFlag(TextPart.Unfinished))
        {
            AddAll(tokens, tokenizer.Template.After);
        }
    }

    /// <summary>The text that <paramref name="tokens"/> stand for, with U+FFFD for bytes that are not UTF-8.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="tokens">Ids of its vocabulary.</param>
    /// <exception cref="DynConvException">An id is not in the vocabulary.</exception>
    public static string DecodeText(this ITokenizer tokenizer, ReadOnlySpan<int> tokens) =>
        Encoding.UTF8.GetString(tokenizer.Decode(tokens));

    private static void AddAll(ICollection<int> tokens, IReadOnlyList<int> ids)
    {
        foreach (int id in ids)
        {
            tokens.Add(id);
        }
    }
}
