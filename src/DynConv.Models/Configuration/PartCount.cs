namespace DynConv.Models;

/// <summary>What a part of a mixer costs.</summary>
/// <param name="Part">Its name, as in <c>attention</c>; counts of equal names add up.</param>
/// <param name="Parameters">Its parameters.</param>
/// <param name="Operations">
/// Floating-point operations of its forward pass for one token; a multiplication and an addition count one each.
/// </param>
public readonly record struct PartCount(string Part, long Parameters, long Operations)
{
    /// <summary>Operations of a multiplication whose result is added to a sum.</summary>
    public const long MultiplyAdd = 2;

    /// <summary>Sums of equal parts, in the order in which they first come, without those that are zero.</summary>
    internal static IReadOnlyList<KeyValuePair<string, long>> Sum(IEnumerable<PartCount> counts, Func<PartCount, long> count) =>
        [.. counts.Where(part => count(part) != 0).GroupBy(part => part.Part)
            .Select(group => KeyValuePair.Create(group.Key, group.Sum(count)))];
}
