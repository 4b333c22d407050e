using DynConv.Cuda;

namespace DynConv.Diagnostics;

/// <summary>Times a convolution's kernels on a GPU: graphs of many calls that take several sets of inputs in turn.</summary>
/// <param name="device">The GPU.</param>
/// <param name="values">What inputs are filled with.</param>
/// <param name="budget">How long to repeat each pass.</param>
/// <param name="cacheBytes">The cache that inputs must not be found in.</param>
/// <param name="leastCalls">How many calls a graph has at least: one is too short for the clock of the events.</param>
internal sealed class CudaConvolutionBenchmark(
    Device device, NormalValues values, TimeSpan budget, long cacheBytes, int leastCalls = 20) : IDisposable
{
    // What is read again has to have left the second-level cache long ago.
    private const int CacheSizes = 3;
    private const int FewestSets = 2;
    private const int MostSets = 32;

    private readonly CudaTimer _timer = new(device.Context);

    public PassTimes Measure(ConvolutionShape shape)
    {
        long sets = Math.Clamp((CacheSizes * cacheBytes / shape.InputBytes) + 1, FewestSets, MostSets);
        var works = new List<ConvolutionWork>();
        try
        {
            for (long i = 0; i < sets; i++)
            {
                works.Add(new ConvolutionWork(shape, values, device));
            }

            double forward = Median(works, work => work.Forward());
            double both = Median(works, work => work.ForwardBackward());
            return new PassTimes(forward, MedianBackward(works), both);
        }
        finally
        {
            works.ForEach(work => work.Dispose());
        }
    }

    public void Dispose() => _timer.Dispose();

    private double Median(List<ConvolutionWork> works, Action<ConvolutionWork> pass)
    {
        int rounds = (leastCalls + works.Count - 1) / works.Count;
        return _timer.Median(rounds * works.Count, All, budget);

        void All()
        {
            for (int i = 0; i < rounds; i++)
            {
                works.ForEach(pass);
            }
        }
    }

    // A forward pass can be gone back through once: a graph holds one call for each set.
    private double MedianBackward(List<ConvolutionWork> works)
    {
        works.ForEach(work => work.PrepareBackward());
        using CudaGraph graph = CudaGraph.Capture(device.Context, () =>
        {
            for (int i = works.Count - 1; i >= 0; i--)
            {
                works[i].Backward();
            }
        });
        return _timer.Median(works.Count, graph, budget);
    }
}
