using System.Diagnostics;

namespace DynConv.Diagnostics;

/// <summary>Times stretches of code the way that reported figures are made.</summary>
public static class Timing
{
    private const int WarmUps = 3;

    /// <summary>The median time of an action, after a few runs that do not count.</summary>
    /// <param name="repeats">Runs that count, at least 1.</param>
    /// <param name="action">What is timed; has to be done when it returns.</param>
    /// <returns>Microseconds.</returns>
    public static double Median(int repeats, Action action)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(repeats, 1);
        for (int i = 0; i < WarmUps; i++)
        {
            action();
        }

        var times = new double[repeats];
        for (int i = 0; i < repeats; i++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        Array.Sort(times);
        return times[repeats / 2];
    }
}
