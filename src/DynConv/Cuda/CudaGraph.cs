namespace DynConv.Cuda;

/// <summary>
/// Work recorded once and queued again as a whole: between its kernels the card waits for nobody. What was recorded
/// reads and writes the same addresses each time. Its inputs have to live as long as the graph, and its temporaries are
/// free memory to the pool: nothing else may be computed on the card while the graph is in use. <see cref="Recording"/> is
/// free of both.
/// </summary>
internal sealed unsafe class CudaGraph : IDisposable
{
    private const int RelaxedCapture = 2;

    private readonly CudaContext _context;
    private nint _executable;

    private CudaGraph(CudaContext context, nint executable)
    {
        _context = context;
        _executable = executable;
    }

    /// <summary>
    /// Records what <paramref name="work"/> queues; nothing runs yet. Its kernels have to be compiled, and it may
    /// neither wait for the card nor copy to or from the host.
    /// </summary>
    public static CudaGraph Capture(CudaContext context, Action work)
    {
        context.MakeCurrent();
        CudaDriver.Check(CudaDriver.cuStreamBeginCapture_v2(context.Stream, RelaxedCapture), "beginning to record a graph");
        nint graph = 0;
        int status;
        context.IsRecording = true;
        try
        {
            work();
        }
        catch
        {
            context.IsRecording = false;
            _ = CudaDriver.cuStreamEndCapture(context.Stream, &graph);
            _ = graph == 0 ? 0 : CudaDriver.cuGraphDestroy(graph);
            throw;
        }

        context.IsRecording = false;
        CudaDriver.Check(CudaDriver.cuStreamEndCapture(context.Stream, &graph), "recording a graph");
        nint executable;
        status = CudaDriver.cuGraphInstantiateWithFlags(&executable, graph, 0);
        _ = CudaDriver.cuGraphDestroy(graph);
        CudaDriver.Check(status, "preparing a graph");
        return new CudaGraph(context, executable);
    }

    /// <summary>Queues the recorded work.</summary>
    public void Launch()
    {
        ObjectDisposedException.ThrowIf(_executable == 0, this);
        _context.MakeCurrent();
        CudaDriver.Check(CudaDriver.cuGraphLaunch(_executable, _context.Stream), "starting a graph");
    }

    public void Dispose()
    {
        if (_executable != 0)
        {
            _context.MakeCurrent();
            _ = CudaDriver.cuGraphExecDestroy(_executable);
            _executable = 0;
        }
    }
}
