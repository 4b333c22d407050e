using System.Text.Json.Serialization;
using DynConv.Cuda;

namespace DynConv.Diagnostics;

/// <summary>Says where the time of some work on a GPU goes, kernel by kernel.</summary>
public static class KernelProfile
{
    /// <summary>
    /// Times every kernel of some work between two events of its own. No kernel overlaps another one then, and each takes about
    /// a microsecond longer; copies to and from the host are not among them.
    /// </summary>
    /// <param name="device">Where it runs; on the CPU there are no kernels.</param>
    /// <param name="work">The work, run once, and in full by the time of the return.</param>
    /// <returns>Kernels, those that took longest first.</returns>
    public static IReadOnlyList<KernelTime> Of(Device device, Action work)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(work);
        if (!device.IsCuda)
        {
            work();
            return [];
        }

        using var times = new LaunchTimes(device.Context);
        work();
        string group = KernelGroups.Other;
        return
        [
            .. times.Read()
                .Select(launch => (launch.Kernel, Group: group = KernelGroups.Of(launch.Kernel, group), launch.Seconds))
                .GroupBy(launch => (launch.Kernel, launch.Group))
                .Select(launches => new KernelTime(launches.Key.Kernel, launches.Key.Group, launches.Count(), launches.Sum(launch => launch.Seconds) * 1e3))
                .OrderByDescending(kernel => kernel.Ms),
        ];
    }
}

/// <summary>What a kernel took in some work.</summary>
/// <param name="Kernel">Its name.</param>
/// <param name="Group">What it is for, as in <c>attention forward</c>.</param>
/// <param name="Launches">How many times it ran.</param>
/// <param name="Ms">Milliseconds of all launches together.</param>
public sealed record KernelTime(
    [property: JsonPropertyName("kernel")] string Kernel,
    [property: JsonPropertyName("group")] string Group,
    [property: JsonPropertyName("launches")] int Launches,
    [property: JsonPropertyName("ms")] double Ms);
