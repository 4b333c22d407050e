using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>
/// Decodes tokens to text as they come, for printing while a model generates: a character whose UTF-8 bytes are
/// spread over several tokens appears when its last byte has come, and never in pieces.
/// </summary>
/// <param name="tokenizer">The tokenizer that the tokens belong to.</param>
/// <param name="previous">
/// The token before the first one, where the text goes on from others; null at the start of a text, where some
/// tokenizers leave out a space.
/// </param>
public sealed class StreamingDecoder(ITokenizer tokenizer, int? previous = null)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private int? _previous = previous;

    /// <summary>The text that <paramref name="token"/> completes: empty while a character is unfinished.</summary>
    /// <param name="token">The next id. Bytes that cannot become UTF-8 appear as U+FFFD.</param>
    /// <exception cref="DynConvException">The id is not in the vocabulary.</exception>
    public string Append(int token)
    {
        byte[] bytes = tokenizer.DecodeNext(_previous, token);
        _previous = token;
        return Decode(bytes, flush: false);
    }

    /// <summary>What is left at the end: U+FFFD for an unfinished character, else nothing. It then starts anew.</summary>
    public string Finish()
    {
        _previous = null;
        return Decode([], flush: true);
    }

    private string Decode(byte[] bytes, bool flush)
    {
        char[] characters = new char[_decoder.GetCharCount(bytes, flush)];
        int count = _decoder.GetChars(bytes, characters, flush);
        return new string(characters, 0, count);
    }
}
