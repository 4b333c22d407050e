namespace DynConv.Training.Data;

/// <summary>Something in a folder that is not read.</summary>
/// <param name="Name">The folder as it was given and the path below it.</param>
/// <param name="Reason">Why, in a word or a few: <c>binary</c>, <c>empty</c>.</param>
public sealed record LeftOutFile(string Name, string Reason)
{
    private const int MostNamed = 3;

    /// <summary>How many there are of each kind and the first of them, as in <c>2 empty (a.txt, b.txt), 1 hidden (.git)</c>.</summary>
    /// <param name="files">At least one.</param>
    public static string Describe(IReadOnlyList<LeftOutFile> files) => string.Join(", ", files
        .GroupBy(static file => file.Reason, static file => file.Name)
        .OrderByDescending(static group => group.Count())
        .ThenBy(static group => group.Key, StringComparer.Ordinal)
        .Select(static group => $"{group.Count():N0} {group.Key} ({Names([.. group.Order(StringComparer.Ordinal)])})"));

    private static string Names(string[] names) =>
        string.Join(", ", names.Take(MostNamed)) + (names.Length > MostNamed ? ", …" : "");
}
