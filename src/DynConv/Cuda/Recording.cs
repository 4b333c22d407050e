namespace DynConv.Cuda;

/// <summary>
/// Work on a card, recorded once to be queued again and again between other work. Its temporaries are buffers of its own, what it
/// reads lives as long as it does, and copies of weights are brought up to date before each run.
/// </summary>
internal sealed class Recording : IDisposable
{
    private readonly CudaContext _context;
    private readonly MemoryPool _pool;
    private readonly MemoryArena _arena;
    private readonly HashSet<Storage> _inputs = [];
    private readonly HashSet<Counterpart> _copies = [];
    private CudaGraph? _graph;

    private Recording(Device device)
    {
        _context = device.Context;
        _pool = device.Memory;

        // What is given back to the driver while recording may not be in use.
        _context.Synchronize();
        _arena = _pool.Begin();
        _context.Recording = this;
    }

    /// <summary>Records what <paramref name="work"/> queues; nothing runs yet.</summary>
    /// <exception cref="DynConvException">The work waits for the card, or copies to or from the host.</exception>
    public static Recording Of(Device device, Action work)
    {
        var recording = new Recording(device);
        try
        {
            recording._graph = CudaGraph.Capture(device.Context, work);
        }
        catch
        {
            recording.End();
            recording.Dispose();
            throw;
        }

        recording.End();
        return recording;
    }

    /// <summary>Queues the work.</summary>
    public void Run()
    {
        foreach (Counterpart copy in _copies)
        {
            copy.Refresh();
        }

        _pool.NoteRun(_arena);
        _graph!.Launch();
    }

    /// <summary>Keeps a buffer that the work has the address of.</summary>
    public void Hold(Storage storage)
    {
        if (!ReferenceEquals(storage.Recording, this) && _inputs.Add(storage))
        {
            storage.Retain();
        }
    }

    /// <summary>Has a copy of a weight brought up to date before each run.</summary>
    public void Add(Counterpart copy) => _copies.Add(copy);

    /// <summary>Gives the memory back, to whatever is queued later.</summary>
    public void Dispose()
    {
        if (_graph is not null)
        {
            // It may be running.
            _context.Synchronize();
            _graph.Dispose();
        }

        foreach (Storage input in _inputs)
        {
            input.Release();
        }

        _inputs.Clear();
        _pool.Release(_arena);
    }

    private void End()
    {
        _context.Recording = null;
        _pool.End();
    }
}
