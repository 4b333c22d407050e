namespace DynConv.Models.Tokenizers;

/// <summary>The ids that a tokenizer's <c>post_processor</c> puts around one text.</summary>
/// <param name="Before">What stands before the text, mostly the beginning of text.</param>
/// <param name="After">What stands after the text.</param>
public sealed record TokenTemplate(IReadOnlyList<int> Before, IReadOnlyList<int> After)
{
    /// <summary>No ids.</summary>
    public static TokenTemplate Empty { get; } = new([], []);

    /// <summary>Whether it adds nothing.</summary>
    public bool IsEmpty => Before.Count == 0 && After.Count == 0;
}
