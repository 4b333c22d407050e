namespace DynConv.Cli.Display;

/// <summary>A curve in a line of text.</summary>
internal static class Sparkline
{
    private const string Levels = "▁▂▃▄▅▆▇█";

    /// <summary>A character for each value.</summary>
    public static string Of(IEnumerable<double> values, double low, double high) => string.Concat(values.Select(
        value => Levels[(int)Math.Clamp((value - low) / Math.Max(high - low, 1e-9) * Levels.Length, 0, Levels.Length - 1)]));
}
