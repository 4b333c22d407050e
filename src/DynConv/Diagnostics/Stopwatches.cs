using System.Diagnostics;

namespace DynConv.Diagnostics;

/// <summary>Times an action that is too short and too noisy to be timed once.</summary>
public static class Stopwatches
{
    private const int WarmUps = 3;
    private const int Least = 5;

    /// <summary>The median time of repeated runs after a warm-up.</summary>
    /// <param name="action">What is timed; it has to be done when it returns.</param>
    /// <param name="budget">How long to go on, about; at least five runs count.</param>
    /// <returns>Seconds.</returns>
    public static double Median(Action action, TimeSpan budget)
    {
        ArgumentNullException.ThrowIfNull(action);
        for (int i = 0; i < WarmUps; i++)
        {
            action();
        }

        var times = new List<double>();
        long start = Stopwatch.GetTimestamp();
        while (times.Count < Least || Stopwatch.GetElapsedTime(start) < budget)
        {
            long before = Stopwatch.GetTimestamp();
            action();
            times.Add(Stopwatch.GetElapsedTime(before).TotalSeconds);
        }

        times.Sort();
        return times[times.Count / 2];
    }
}
