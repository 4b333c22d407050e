namespace DynConv.Cuda;

/// <summary>
/// Times each kernel that is queued, between two events of its own. None of them overlaps its neighbours then, and what a
/// recorded graph holds is not seen.
/// </summary>
internal sealed class LaunchTimes : IDisposable
{
    private readonly CudaContext _context;
    private readonly List<(string Kernel, CudaEvent Start, CudaEvent End)> _launches = [];
    private CudaEvent? _start;

    /// <summary>Begins with the next launch; one at a time can watch a card.</summary>
    public LaunchTimes(CudaContext context)
    {
        _context = context;
        context.Times = this;
    }

    /// <summary>A kernel is about to be queued.</summary>
    public void Begin()
    {
        _start ??= new CudaEvent(_context);
        _start.Record();
    }

    /// <summary>It has been queued.</summary>
    public void End(string kernel)
    {
        var end = new CudaEvent(_context);
        _launches.Add((kernel, _start!, end));
        _start = null;
        end.Record();
    }

    /// <summary>Waits for the card.</summary>
    /// <returns>Kernels in the order in which they were queued, and their seconds.</returns>
    public IReadOnlyList<(string Kernel, double Seconds)> Read()
    {
        _context.Synchronize();
        return [.. _launches.Select(static launch => (launch.Kernel, launch.End.SecondsSince(launch.Start)))];
    }

    public void Dispose()
    {
        _context.Times = null;
        _start?.Dispose();
        foreach ((_, CudaEvent start, CudaEvent end) in _launches)
        {
            start.Dispose();
            end.Dispose();
        }
    }
}
