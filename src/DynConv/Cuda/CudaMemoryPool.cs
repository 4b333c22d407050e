namespace DynConv.Cuda;

/// <summary>
/// A card's memory. All work of a device is queued on one stream, in order, so a buffer given back on the host may be
/// given out again at once: whatever still uses it is queued before whatever comes next, which waits for it.
/// </summary>
internal sealed unsafe class CudaMemoryPool(CudaContext context) : MemoryPool
{
    private protected override nint AllocateDevice(long bytes)
    {
        context.MakeCurrent();
        nint address;
        int status = CudaDriver.cuMemAlloc_v2(&address, (nuint)bytes);
        if (status == CudaDriver.OutOfMemory)
        {
            return 0;
        }

        CudaDriver.Check(status, $"asking for {bytes:N0} bytes");
        return address;
    }

    private protected override void FreeDevice(nint buffer, long bytes)
    {
        // Whatever is queued may still use it, and the driver does not promise to wait for that.
        if (!context.IsRecording)
        {
            context.Synchronize();
        }

        CudaDriver.Check(CudaDriver.cuMemFree_v2(buffer), "giving memory back");
    }

    private protected override void FillNaN(nint buffer, long bytes) => context.Fill(buffer, 0xFF, bytes);

    private protected override string Describe() =>
        $"{context.Name} has {context.TotalBytes:N0} bytes, of which {context.FreeBytes:N0} are free";
}
