namespace DynConv.Models.Tokenizers;

/// <summary>
/// Turns text into token ids and back. Text is bytes, almost always UTF-8; any bytes survive the round trip.
/// Implementations are immutable and may be used by many threads at once.
/// </summary>
public interface ITokenizer
{
    /// <summary>Number of ids: each id is in [0, <see cref="VocabularySize"/>).</summary>
    int VocabularySize { get; }

    /// <summary>The id that separates documents; null if the vocabulary has none.</summary>
    int? EndOfTextId { get; }

    /// <summary>
    /// Appends the ids of <paramref name="text"/> to <paramref name="tokens"/>; special tokens in the text are plain
    /// text.
    /// </summary>
    /// <param name="text">Any bytes.</param>
    /// <param name="tokens">Where the ids go.</param>
    void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens);

    /// <summary>The bytes that <paramref name="tokens"/> stand for; the inverse of <see cref="Encode"/>.</summary>
    /// <param name="tokens">Ids of this vocabulary; a special token stands for the UTF-8 bytes of its name.</param>
    /// <exception cref="DynConvException">An id is not in the vocabulary.</exception>
    byte[] Decode(ReadOnlySpan<int> tokens);

    /// <summary>Writes Hugging Face's <c>tokenizer.json</c>, complete or not at all.</summary>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <exception cref="DynConvException">The file cannot be written.</exception>
    void Save(string path);
}
