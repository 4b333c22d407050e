namespace DynConv.Models.Tokenizers;

/// <summary>
/// A token that is found in text before anything else, such as <c>&lt;|endoftext|&gt;</c>; fields as in
/// <c>tokenizer.json</c>.
/// </summary>
internal sealed record AddedToken(int Id, string Content)
{
    public const string EndOfText = "<|endoftext|>";

    public bool SingleWord { get; init; }

    public bool LeftStrip { get; init; }

    public bool RightStrip { get; init; }

    public bool Normalized { get; init; }

    public bool Special { get; init; } = true;
}
