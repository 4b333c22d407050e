namespace DynConv.Models.Tokenizers;

/// <summary>The regular expressions of the patterns, as files spell them.</summary>
internal static class PretokenizerRegex
{
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        + @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const int MostDigits = 3;

    private static readonly Dictionary<string, PieceScanner> Scanners = MakeScanners();

    /// <summary>The scanner that finds the matches of a regular expression; null if there is none.</summary>
    public static PieceScanner? FindScanner(string regex) => Scanners.GetValueOrDefault(regex);

    private static Dictionary<string, PieceScanner> MakeScanners()
    {
        var scanners = new Dictionary<string, PieceScanner>
        {
            [Gpt2] = new Gpt2Scanner(),
            [@"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"] = new Gpt2Scanner(),
        };
        for (int digits = 1; digits <= MostDigits; digits++)
        {
            // Llama 3's, Qwen's, tiktoken's and nanochat's spellings, which differ in how they are tried and not in what
            // they match.
            string[] numbers = digits == 1 ? [@"\p{N}", @"\p{N}{1,1}"] : [$@"\p{{N}}{{1,{digits}}}"];
            foreach (string number in numbers)
            {
                scanners[Llama3.Replace(@"\p{N}{1,3}", number, StringComparison.Ordinal)] = new Llama3Scanner(digits);
                scanners[
                    @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|" + number
                    + @"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"] = new Llama3Scanner(digits);
                scanners[
                    @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|" + number
                    + @"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"] = new Llama3Scanner(digits);
            }
        }

        return scanners;
    }
}
