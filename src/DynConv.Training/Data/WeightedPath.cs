using System.Globalization;

namespace DynConv.Training.Data;

/// <summary>A file or folder of text and its share of a mixture.</summary>
/// <param name="Path">The file or folder.</param>
/// <param name="Weight">In proportion to those of the other paths; null if the text is no mixture.</param>
internal sealed record WeightedPath(string Path, double? Weight)
{
    /// <summary>
    /// Reads <c>PATH</c> or <c>PATH:WEIGHT</c>. What is there under the whole name is a path, whatever its name ends with.
    /// </summary>
    /// <exception cref="DynConvException">A weight is 0, or only some paths have one.</exception>
    public static IReadOnlyList<WeightedPath> ParseAll(IReadOnlyList<string> data)
    {
        WeightedPath[] all = [.. data.Select(Parse)];
        if (all.FirstOrDefault(static path => path.Weight is not null) is { } weighted &&
            all.FirstOrDefault(static path => path.Weight is null) is { } bare)
        {
            throw new DynConvException(
                $"{weighted.Path} has a weight and {bare.Path} has none; give a weight to each, as in {bare.Path}:0.5, or to none.");
        }

        return all;
    }

    private static WeightedPath Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || TextSource.Exists(text) ||
            !double.TryParse(text.AsSpan(colon + 1), NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out double weight))
        {
            return new WeightedPath(text, null);
        }

        return weight is > 0 and < double.PositiveInfinity
            ? new WeightedPath(text[..colon], weight)
            : throw new DynConvException($"The weight of {text[..colon]} is {text[(colon + 1)..]}; it has to be greater than 0.");
    }
}
