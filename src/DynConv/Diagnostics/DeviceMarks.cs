using System.Diagnostics;
using DynConv.Cuda;

namespace DynConv.Diagnostics;

/// <summary>Places in the work of a device, and the times from each to the next; the host does not wait for them.</summary>
internal sealed class DeviceMarks(Device device) : IDisposable
{
    private readonly List<long> _stamps = [];
    private readonly List<CudaEvent> _events = [];

    /// <summary>Marks the place behind all that has been queued so far.</summary>
    public void Mark()
    {
        if (device.IsCuda)
        {
            var place = new CudaEvent(device.Context);
            _events.Add(place);
            place.Record();
        }
        else
        {
            _stamps.Add(Stopwatch.GetTimestamp());
        }
    }

    /// <summary>Waits for the device.</summary>
    /// <returns>Seconds between neighbouring marks.</returns>
    public double[] Intervals()
    {
        device.Synchronize();
        return
        [
            .. _events.Zip(_events.Skip(1), static (from, to) => to.SecondsSince(from)),
            .. _stamps.Zip(_stamps.Skip(1), static (from, to) => Stopwatch.GetElapsedTime(from, to).TotalSeconds),
        ];
    }

    public void Dispose() => _events.ForEach(static place => place.Dispose());
}
