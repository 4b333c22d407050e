namespace DynConv.Models.Tokenizers;

/// <summary>What a byte-level BPE tokenizer is besides its vocabulary.</summary>
/// <param name="Pattern">How text is cut into pieces.</param>
internal sealed record BpeSettings(PretokenizerPattern Pattern)
{
    /// <summary>Whether text that does not start with a space is given one.</summary>
    public bool AddPrefixSpace { get; init; }

    /// <summary>Whether a piece that is a token as a whole is that token, whatever the merges make of it.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>The file's <c>post_processor</c> as JSON, kept for other tools.</summary>
    public string? PostProcessor { get; init; }

    /// <summary>What <see cref="PostProcessor"/> puts around a text.</summary>
    public TokenTemplate Template { get; init; } = TokenTemplate.Empty;
}
