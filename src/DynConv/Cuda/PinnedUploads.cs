namespace DynConv.Cuda;

/// <summary>
/// A few stretches of page-locked host memory, used in turn, through which copies to the card pass: the caller's memory
/// is free at once, which the driver does not promise for memory of other kinds, and the host never waits for the card
/// unless it is a whole round ahead. Any thread may use it.
/// </summary>
internal sealed unsafe class PinnedUploads(CudaContext context)
{
    private const int SlotBytes = 1 << 18;
    private const int Slots = 16;

    private readonly nint[] _memory = new nint[Slots];
    private readonly nint[] _events = new nint[Slots];
    private readonly Lock _gate = new();
    private int _next;

    public void Copy(byte* from, nint to, long bytes)
    {
        lock (_gate)
        {
            for (long done = 0; done < bytes; done += SlotBytes)
            {
                CopyPiece(from + done, to + (nint)done, Math.Min(SlotBytes, bytes - done));
            }
        }
    }

    private void CopyPiece(byte* from, nint to, long bytes)
    {
        int slot = _next;
        _next = (_next + 1) % Slots;
        if (_memory[slot] == 0)
        {
            Create(slot);
        }
        else
        {
            CudaDriver.Check(CudaDriver.cuEventSynchronize(_events[slot]), "waiting for an earlier copy");
        }

        Buffer.MemoryCopy(from, (void*)_memory[slot], SlotBytes, bytes);
        CudaDriver.Check(
            CudaDriver.cuMemcpyHtoDAsync_v2(to, (void*)_memory[slot], (nuint)bytes, context.Stream), "a copy to the card");
        CudaDriver.Check(CudaDriver.cuEventRecord(_events[slot], context.Stream), "marking a copy");
    }

    private void Create(int slot)
    {
        nint memory;
        CudaDriver.Check(CudaDriver.cuMemHostAlloc(&memory, SlotBytes, 0), "asking for page-locked memory");
        _memory[slot] = memory;
        nint copied;
        CudaDriver.Check(CudaDriver.cuEventCreate(&copied, CudaDriver.EventWithoutTiming), "making an event");
        _events[slot] = copied;
    }
}
