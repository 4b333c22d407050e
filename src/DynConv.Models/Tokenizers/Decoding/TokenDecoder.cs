namespace DynConv.Models.Tokenizers.Decoding;

/// <summary>A step from the texts of tokens to text. Immutable.</summary>
internal abstract class TokenDecoder
{
    /// <summary>The changed texts, all of which one after the other are the text.</summary>
    /// <param name="tokens">UTF-8 of each token, or what an earlier step has made of it.</param>
    public abstract List<byte[]> Apply(List<byte[]> tokens);
}
