namespace DynConv.Models.Tokenizers;

/// <summary>
/// How text is cut into the pieces that byte pairs are merged in. Bytes that are not UTF-8 count as symbols, as
/// U+FFFD does: each longest beginning of a sequence that does not end well is one character.
/// </summary>
public enum PretokenizerPattern
{
    /// <summary>Not at all: the text is one piece.</summary>
    None,

    /// <summary>
    /// GPT-2's pattern: <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.
    /// </summary>
    Gpt2,

    /// <summary>
    /// Llama-3's pattern: <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
    /// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>, in which the long s (U+017F) is an s of any case.
    /// </summary>
    Llama3,
}
