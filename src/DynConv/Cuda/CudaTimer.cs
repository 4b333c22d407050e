namespace DynConv.Cuda;

/// <summary>Times what the card does, without the host's part in it: a graph of many calls, between two events.</summary>
internal sealed class CudaTimer : IDisposable
{
    private const int Least = 5;
    private const int Most = 100;

    private readonly CudaContext _context;
    private readonly CudaEvent _start;
    private readonly CudaEvent _end;

    public CudaTimer(CudaContext context)
    {
        _context = context;
        _start = new CudaEvent(context);
        _end = new CudaEvent(context);
    }

    /// <summary>The median time of a call.</summary>
    /// <param name="calls">How many calls <paramref name="work"/> makes.</param>
    /// <param name="work">Queues them. It runs twice: once so that everything is compiled and allocated, once recorded.</param>
    /// <param name="budget">How long to repeat them, about.</param>
    /// <returns>Seconds.</returns>
    public double Median(int calls, Action work, TimeSpan budget)
    {
        work();
        using CudaGraph graph = CudaGraph.Capture(_context, work);
        return Median(calls, graph, budget);
    }

    /// <summary>The median time of one of the calls that a graph holds.</summary>
    public double Median(int calls, CudaGraph graph, TimeSpan budget)
    {
        // The first launch uploads the graph; the second says how many fit into the budget.
        _ = Time(graph);
        double once = Time(graph);
        var times = new double[Math.Clamp((int)(budget.TotalSeconds / once), Least, Most)];
        for (int i = 0; i < times.Length; i++)
        {
            times[i] = Time(graph);
        }

        Array.Sort(times);
        return times[times.Length / 2] / calls;
    }

    /// <summary>The time from when the card begins with some work until it is done with it.</summary>
    /// <param name="work">Queues it.</param>
    /// <returns>Seconds.</returns>
    public double Once(Action work)
    {
        _start.Record();
        work();
        _end.Record();
        _end.Wait();
        return _end.SecondsSince(_start);
    }

    public void Dispose()
    {
        _start.Dispose();
        _end.Dispose();
    }

    // The launch before the start keeps the card busy until the host has queued the rest.
    private double Time(CudaGraph graph)
    {
        graph.Launch();
        return Once(graph.Launch);
    }
}
