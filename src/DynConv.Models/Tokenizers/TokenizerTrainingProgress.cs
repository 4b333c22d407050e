namespace DynConv.Models.Tokenizers;

/// <summary>How far <see cref="TokenizerTrainer"/> is. It reads all the text first and makes tokens then.</summary>
/// <param name="BytesRead">Bytes of text read so far.</param>
/// <param name="Tokens">Size of the vocabulary so far, the 256 bytes and <c>&lt;|endoftext|&gt;</c> included.</param>
/// <param name="VocabularySize">Size that is asked for.</param>
public readonly record struct TokenizerTrainingProgress(long BytesRead, int Tokens, int VocabularySize);
