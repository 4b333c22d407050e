using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>
/// Decodes tokens to text as they come, for printing while a model generates: a character whose UTF-8 bytes are
/// spread over several tokens appears when its last byte has come, and never in pieces.
/// </summary>
/// <param name="tokenizer">The tokenizer that the tokens belong to.</param>
public sealed class StreamingDecoder(ITokenizer tokenizer)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>The text that <paramref name="token"/> completes: empty while a character is unfinished.</summary>
    /// <param name="token">The next id. Bytes that cannot become UTF-8 appear as U+FFFD.</param>
    /// <exception cref="DynConvException">The id is not in the vocabulary.</exception>
    public string Append(int token) => Decode(tokenizer.Decode([token]), flush: false);

    /// <summary>What is left at the end: U+FFFD for an unfinished character, else nothing. It then starts anew.</summary>
    public string Finish() => Decode([], flush: true);

    private string Decode(byte[] bytes, bool flush)
    {
        char[] characters = new char[_decoder.GetCharCount(bytes, flush)];
        int count = _decoder.GetChars(bytes, characters, flush);
        return new string(characters, 0, count);
    }
}
