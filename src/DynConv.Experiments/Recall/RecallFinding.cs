using System.Globalization;
using DynConv.Modules;

namespace DynConv.Experiments.Recall;

/// <summary>Says in a sentence whether dynamic convolutions did better on a task than static ones and none.</summary>
public static class RecallFinding
{
    /// <summary>The median accuracy from which a task counts as solved.</summary>
    public const double Solved = 0.95;

    /// <summary>How far below a kind has to be that counts as not solving what another solves.</summary>
    public const double Apart = 0.20;

    /// <summary>Medians that are no farther apart count as equal.</summary>
    public const double Alike = 0.02;

    /// <summary>The sentence.</summary>
    /// <param name="result">A task's figures.</param>
    public static string Describe(RecallResult result)
    {
        IReadOnlyList<string> kinds = result.Settings.Convolutions;
        string[] dynamic = [.. kinds.Where(IsDynamic)];
        string[] others = [.. kinds.Where(kind => !IsDynamic(kind))];
        if (dynamic.Length == 0 || others.Length == 0)
        {
            return "Nothing to compare: that takes a dynamic kind (headwise, lowrank) and static or none.";
        }

        double Median(string conv, int pairs) => result.Accuracy(conv, pairs).Median;
        bool IsApart(string conv, int pairs) =>
            Median(conv, pairs) >= Solved && others.All(other => Median(other, pairs) <= Median(conv, pairs) - Apart);
        int[] apart = [.. result.Settings.Pairs.Where(pairs => dynamic.Any(conv => IsApart(conv, pairs)))];
        if (apart.Length > 0)
        {
            string[] solving = [.. dynamic.Where(conv => apart.All(pairs => IsApart(conv, pairs)))];
            string who = List(solving.Length > 0 ? solving : [.. dynamic.Where(conv => apart.Any(pairs => IsApart(conv, pairs)))]);
            return $"With {List([.. apart.Select(pairs => $"{pairs}")])} pairs {who} solve it (95 % or more); "
                + $"{string.Join(", ", others.Select(conv => $"{Name(conv)} stays at {Percent(apart.Max(pairs => Median(conv, pairs)))} or below"))}.";
        }

        // Whoever comes nearest among the others is what dynamic convolutions have to beat.
        (int Pairs, string Best, string Other, double Gap)[] gaps = [.. result.Settings.Pairs.Select(pairs =>
        {
            string best = dynamic.MaxBy(conv => Median(conv, pairs))!;
            string other = others.MaxBy(conv => Median(conv, pairs))!;
            return (pairs, best, other, Median(best, pairs) - Median(other, pairs));
        })];
        var widest = gaps.MaxBy(gap => Math.Abs(gap.Gap));
        if (Math.Abs(widest.Gap) <= Alike)
        {
            string behind = string.Concat(others
                .Where(conv => Median(conv, widest.Pairs) < Median(widest.Other, widest.Pairs) - Alike)
                .Select(conv => $"; {Name(conv)} stays at {Percent(result.Settings.Pairs.Max(pairs => Median(conv, pairs)))} or below"));
            return $"No difference: the best dynamic kind and {Name(widest.Other)} are within {Points(Alike)} with any number of pairs{behind}.";
        }

        return widest.Gap > 0
            ? $"With {widest.Pairs} pairs {widest.Best} is {Points(widest.Gap)} ahead of {Name(widest.Other)}; that is not the difference between solving the task and not."
            : $"With {widest.Pairs} pairs {Name(widest.Other)} is {Points(-widest.Gap)} ahead of {widest.Best}, the best dynamic kind.";
    }

    private static bool IsDynamic(string conv) => ShortConvolutionKinds.ParseOrNone(conv) is { } kind && kind != ShortConvolutionKind.Static;

    private static string Name(string conv) => conv == ShortConvolutionKinds.None ? "no convolution" : conv;

    private static string Percent(double share) => (100 * share).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static string Points(double share) => (100 * share).ToString("0.#", CultureInfo.InvariantCulture) + " points";

    private static string List(string[] words) =>
        words.Length == 1 ? words[0] : $"{string.Join(", ", words[..^1])} and {words[^1]}";
}
