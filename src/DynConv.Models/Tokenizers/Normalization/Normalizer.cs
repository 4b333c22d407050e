namespace DynConv.Models.Tokenizers.Normalization;

/// <summary>A step that changes text before it is cut into pieces. Immutable.</summary>
internal abstract class Normalizer
{
    /// <summary>The changed text.</summary>
    /// <param name="text">Any bytes; those that are not UTF-8 stay as they are.</param>
    /// <param name="part">Which part of a text without added tokens this is.</param>
    /// <param name="atStart">
    /// Whether the text's first character still stands for the first of the whole document; becomes false if that is dropped.
    /// </param>
    public abstract byte[] Apply(byte[] text, TextPart part, ref bool atStart);
}
