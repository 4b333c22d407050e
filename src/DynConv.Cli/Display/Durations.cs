namespace DynConv.Cli.Display;

/// <summary>Times as people read them.</summary>
internal static class Durations
{
    /// <summary><c>41s</c>, <c>3m 05s</c>, <c>2h 10m</c>, <c>over 100 years</c>; <c>?</c> for what is no number.</summary>
    public static string Format(double seconds)
    {
        const double Endless = 100.0 * 365 * 24 * 3600;
        if (!(seconds < Endless))
        {
            return double.IsNaN(seconds) ? "?" : "over 100 years";
        }

        var time = TimeSpan.FromSeconds(Math.Round(Math.Max(0, seconds)));
        return time.TotalHours >= 1 ? $"{(int)time.TotalHours}h {time.Minutes:00}m"
            : time.TotalMinutes >= 1 ? $"{time.Minutes}m {time.Seconds:00}s"
            : $"{time.Seconds}s";
    }
}
