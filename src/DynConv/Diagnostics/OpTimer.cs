using DynConv.Cuda;

namespace DynConv.Diagnostics;

/// <summary>What an op's passes took, in seconds.</summary>
/// <param name="Forward">The forward pass.</param>
/// <param name="Backward">The backward pass alone; null where it was not measured, or there is none.</param>
/// <param name="ForwardBackward">Both, one after the other.</param>
internal readonly record struct PassTimes(double Forward, double? Backward, double ForwardBackward);

/// <summary>
/// Times an op's passes: on the CPU call by call, on a GPU the kernels alone, in graphs of many calls that take several sets
/// of inputs in turn.
/// </summary>
internal sealed class OpTimer : IDisposable
{
    // What is read again has to have left the second-level cache long ago.
    private const int CacheSizes = 3;
    private const int FewestSets = 2;
    private const int MostSets = 32;
    private const int LeastCalls = 20;

    private readonly Device _device;
    private readonly NormalValues _values;
    private readonly TimeSpan _budget;
    private readonly long _cacheBytes;
    private readonly int _leastCalls;
    private readonly CudaTimer? _timer;

    /// <param name="device">Where.</param>
    /// <param name="values">What inputs are filled with.</param>
    /// <param name="budget">How long to repeat each pass.</param>
    /// <param name="cacheBytes">The cache that inputs must not be found in; the card's own if not given.</param>
    /// <param name="leastCalls">How many calls a graph has at least: one is too short for the clock of the events.</param>
    public OpTimer(Device device, NormalValues values, TimeSpan budget, long? cacheBytes = null, int leastCalls = LeastCalls)
    {
        _device = device;
        _values = values;
        _budget = budget;
        _cacheBytes = cacheBytes ?? (device.IsCuda ? device.Context.L2Bytes : 0);
        _leastCalls = leastCalls;
        _timer = device.IsCuda ? new CudaTimer(device.Context) : null;
    }

    public PassTimes Measure(OpWorkload load)
    {
        if (_timer is null)
        {
            using var work = new OpWork(load, _values, _device);
            double once = Stopwatches.Median(work.Forward, _budget);
            return new PassTimes(once, null, load.Op.HasGradient ? Stopwatches.Median(work.ForwardBackward, _budget) : once);
        }

        long sets = Math.Clamp((CacheSizes * _cacheBytes / Math.Max(1, load.InputBytes)) + 1, FewestSets, MostSets);
        var works = new List<OpWork>();
        try
        {
            for (long i = 0; i < sets; i++)
            {
                works.Add(new OpWork(load, _values, _device));
            }

            double forward = Median(works, static work => work.Forward());
            return load.Op.HasGradient
                ? new PassTimes(forward, MedianBackward(works), Median(works, static work => work.ForwardBackward()))
                : new PassTimes(forward, null, forward);
        }
        finally
        {
            works.ForEach(static work => work.Dispose());
        }
    }

    public void Dispose() => _timer?.Dispose();

    private double Median(List<OpWork> works, Action<OpWork> pass)
    {
        int rounds = (_leastCalls + works.Count - 1) / works.Count;
        return _timer!.Median(rounds * works.Count, All, _budget);

        void All()
        {
            for (int i = 0; i < rounds; i++)
            {
                works.ForEach(pass);
            }
        }
    }

    // A forward pass can be gone back through once: a graph holds one call for each set.
    private double MedianBackward(List<OpWork> works)
    {
        works.ForEach(static work => work.ForwardBackward()); // what a backward pass makes but once
        works.ForEach(static work => work.PrepareBackward());
        using CudaGraph graph = CudaGraph.Capture(_device.Context, () =>
        {
            for (int i = works.Count - 1; i >= 0; i--)
            {
                works[i].Backward();
            }
        });
        return _timer!.Median(works.Count, graph, _budget);
    }
}
