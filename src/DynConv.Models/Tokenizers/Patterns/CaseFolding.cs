using System.Text;

namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>Which code points are the same where case is ignored, one for one.</summary>
internal static class CaseFolding
{
    // The tables of .NET leave letters of ASCII out of pairs with others, such as the long s.
    private const int LongS = 0x17F;

    // No letters with case lie beyond.
    private const int End = 0x1F000;

    // Letters whose case folding has several characters, and the ends of pairs that are folded to from one.
    private const string Ligatures = "ßẞŉǰΐΰևﬀﬁﬂﬃﬄﬅﬆ";
    private static readonly string[] FoldedPairs = ["ss", "ff", "fi", "fl", "st"];

    private static readonly Dictionary<int, int[]> Same = Make();

    /// <summary>The set with everything that is the same as a member.</summary>
    public static CodePointSet Close(CodePointSet set)
    {
        List<(int, int)> added = [];
        foreach ((int codePoint, int[] others) in Same)
        {
            if (set.Contains(codePoint))
            {
                added.AddRange(others.Select(static other => (other, other)));
            }
        }

        return set.Union(CodePointSet.Of(added));
    }

    /// <summary>
    /// Refuses a sequence in which letters would have to match one that folds to them, as <c>ss</c> matches ß in Oniguruma:
    /// here one character stands for one.
    /// </summary>
    /// <exception cref="FormatException">It has such letters; the message is a phrase.</exception>
    public static void CheckSupported(IReadOnlyList<PatternNode> parts)
    {
        for (int i = 0; i < parts.Count; i++)
        {
            if (parts[i] is not PatternNode.Character { Caseless: int c })
            {
                continue;
            }

            string pair = i + 1 < parts.Count && parts[i + 1] is PatternNode.Character { Caseless: int next }
                ? $"{new Rune(c)}{new Rune(next)}".ToLowerInvariant()
                : "";
            if (FoldedPairs.Contains(pair) || Ligatures.Contains(new Rune(c).ToString(), StringComparison.Ordinal))
            {
                throw new FormatException($"{(pair.Length > 0 ? pair : new Rune(c).ToString())} is not supported where case is ignored");
            }
        }
    }

    private static Dictionary<int, int[]> Make() => Enumerable.Range(0, End)
        .Where(static c => Rune.IsValid(c))
        .GroupBy(Fold)
        .Where(static group => group.Count() > 1)
        .SelectMany(static group => group.Select(member => (member, others: group.Where(other => other != member).ToArray())))
        .ToDictionary(static pair => pair.member, static pair => pair.others);

    private static int Fold(int codePoint) =>
        codePoint == LongS ? 's' : Rune.ToLowerInvariant(Rune.ToUpperInvariant(new Rune(codePoint))).Value;
}
