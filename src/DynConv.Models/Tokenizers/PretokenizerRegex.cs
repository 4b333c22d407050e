namespace DynConv.Models.Tokenizers;

/// <summary>The regular expressions of the patterns, as files spell them.</summary>
internal static class PretokenizerRegex
{
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        + @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The pattern of a regular expression; null if it is not known.</summary>
    public static PretokenizerPattern? Find(string regex) => regex switch
    {
        Gpt2 => PretokenizerPattern.Gpt2,
        Llama3 => PretokenizerPattern.Llama3,
        _ => null,
    };
}
