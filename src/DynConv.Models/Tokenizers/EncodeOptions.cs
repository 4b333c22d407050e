namespace DynConv.Models.Tokenizers;

/// <summary>How a text is encoded.</summary>
public readonly record struct EncodeOptions
{
    /// <summary>What becomes of names of special tokens in the text.</summary>
    public SpecialTokens SpecialTokens { get; init; }

    /// <summary>Whether the text is whole.</summary>
    public TextPart Part { get; init; }
}

/// <summary>What becomes of names of special tokens in a text.</summary>
public enum SpecialTokens
{
    /// <summary>They become these tokens, as Hugging Face's library does it.</summary>
    Find,

    /// <summary>They are spelled like any other text, so that a stranger's text cannot end a document.</summary>
    Spell,
}

/// <summary>Which part of a document a text is.</summary>
[Flags]
public enum TextPart
{
    /// <summary>All of it.</summary>
    Whole = 0,

    /// <summary>Other text comes before it: what is put in at a document's start is not put in again.</summary>
    Continues = 1,

    /// <summary>Other text comes after it.</summary>
    Unfinished = 2,
}
