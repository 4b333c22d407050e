namespace DynConv.Models.Tokenizers;

/// <summary>
/// Turns text into token ids and back. Text is bytes, almost always UTF-8; with byte-level tokenizers any bytes survive
/// the round trip. Implementations are immutable and may be used by many threads at once.
/// </summary>
public interface ITokenizer
{
    /// <summary>The largest id and one: each id is in [0, <see cref="VocabularySize"/>), though not each of these is an id.</summary>
    int VocabularySize { get; }

    /// <summary>The id that separates documents; null if the vocabulary has none.</summary>
    int? EndOfTextId { get; }

    /// <summary>The ids that belong around a text. <see cref="Encode(ReadOnlySpan{byte}, ICollection{int})"/> leaves them out.</summary>
    TokenTemplate Template => TokenTemplate.Empty;

    /// <summary>Whether a token has this id: false for holes of the vocabulary and for what lies beyond it.</summary>
    /// <param name="id">Any number.</param>
    bool Contains(int id) => (uint)id < (uint)VocabularySize;

    /// <summary>The id of the token of this name, as files spell it; null if there is none.</summary>
    /// <param name="content">An added token's text, such as <c>&lt;|endoftext|&gt;</c>, or a token of the vocabulary.</param>
    int? FindToken(string content) => null;

    /// <summary>The same tokenizer with another id between documents.</summary>
    /// <param name="id">An id that it contains.</param>
    /// <exception cref="DynConvException">No token has this id.</exception>
    ITokenizer WithEndOfText(int id);

    /// <summary>
    /// Appends the ids of a whole text to <paramref name="tokens"/>, without <see cref="Template"/>. Added tokens are
    /// found in the text, special ones among them.
    /// </summary>
    /// <param name="text">Any bytes.</param>
    /// <param name="tokens">Where the ids go.</param>
    void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens);

    /// <summary>Appends the ids of a text, or of a part of one, to <paramref name="tokens"/>.</summary>
    /// <param name="text">Any bytes.</param>
    /// <param name="tokens">Where the ids go.</param>
    /// <param name="options">What to make of names of special tokens, and whether the text is whole.</param>
    void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens, EncodeOptions options) => Encode(text, tokens);

    /// <summary>
    /// Where to cut a text that is too long to be encoded at once: the ids of the two parts, encoded with
    /// <see cref="EncodeOptions.Part"/>, are those of the whole. Text without such a place is cut between two characters.
    /// </summary>
    /// <param name="text">At least two bytes, the beginning or a later part of a text.</param>
    /// <returns>The length of the first part, as large as can be.</returns>
    int FindCut(ReadOnlySpan<byte> text) => TextCut.Find(text);

    /// <summary>The bytes that <paramref name="tokens"/> stand for; the inverse of encoding.</summary>
    /// <param name="tokens">Ids of this vocabulary; a special token stands for the UTF-8 bytes of its name.</param>
    /// <exception cref="DynConvException">An id is not in the vocabulary.</exception>
    byte[] Decode(ReadOnlySpan<int> tokens);

    /// <summary>How many bytes of text a token stands for within a text; 0 for a special token.</summary>
    /// <param name="id">An id of this vocabulary.</param>
    /// <exception cref="DynConvException">The id is not in the vocabulary.</exception>
    int ByteCount(int id) => id == EndOfTextId ? 0 : Decode([id]).Length;

    /// <summary>Writes Hugging Face's <c>tokenizer.json</c>, complete or not at all.</summary>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <exception cref="DynConvException">The file cannot be written.</exception>
    void Save(string path);
}
