namespace DynConv.Cuda;

/// <summary>A place in what is queued on a card, and when the card came to it.</summary>
internal sealed unsafe class CudaEvent : IDisposable
{
    private readonly CudaContext _context;
    private readonly nint _event;

    public CudaEvent(CudaContext context)
    {
        _context = context;
        context.MakeCurrent();
        nint created;
        CudaDriver.Check(CudaDriver.cuEventCreate(&created, 0), "making an event");
        _event = created;
    }

    /// <summary>Marks the place behind all that is queued so far.</summary>
    public void Record()
    {
        _context.MakeCurrent();
        CudaDriver.Check(CudaDriver.cuEventRecord(_event, _context.Stream), "marking a place");
    }

    /// <summary>Waits until the card has come to the place.</summary>
    public void Wait()
    {
        _context.MakeCurrent();
        CudaDriver.Check(CudaDriver.cuEventSynchronize(_event), "the timed work");
    }

    /// <summary>Seconds from an earlier place to this one; the card has to have come to both.</summary>
    public double SecondsSince(CudaEvent earlier)
    {
        _context.MakeCurrent();
        float milliseconds;
        CudaDriver.Check(CudaDriver.cuEventElapsedTime(&milliseconds, earlier._event, _event), "reading a time");
        return milliseconds / 1e3;
    }

    public void Dispose()
    {
        _context.MakeCurrent();
        _ = CudaDriver.cuEventDestroy_v2(_event);
    }
}
