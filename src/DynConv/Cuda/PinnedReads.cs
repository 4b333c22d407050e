using System.Collections.Concurrent;

namespace DynConv.Cuda;

/// <summary>A float32 of page-locked host memory, and the event that says when a copy from the card has reached it.</summary>
internal readonly record struct PinnedRead(nint Memory, nint Copied);

/// <summary>What single numbers need on their way from the card, used again and again. Any thread may use it.</summary>
internal sealed unsafe class PinnedReads(CudaContext context)
{
    private readonly ConcurrentBag<PinnedRead> _free = [];

    /// <summary>Queues the copy of a number.</summary>
    public PinnedRead Copy(nint from)
    {
        context.RefuseRecording("a number that the host reads");
        context.MakeCurrent();
        PinnedRead read = _free.TryTake(out PinnedRead free) ? free : Create();
        CudaDriver.Check(
            CudaDriver.cuMemcpyDtoHAsync_v2((void*)read.Memory, from, sizeof(float), context.Stream), "a copy from the card");
        CudaDriver.Check(CudaDriver.cuEventRecord(read.Copied, context.Stream), "marking a copy");
        return read;
    }

    /// <summary>Waits for the number.</summary>
    public float Wait(PinnedRead read)
    {
        context.MakeCurrent();
        CudaDriver.Check(CudaDriver.cuEventSynchronize(read.Copied), "work on the card");
        return *(float*)read.Memory;
    }

    /// <summary>Waits until the number has been copied; false if work on the card has failed.</summary>
    public bool TryWait(PinnedRead read)
    {
        context.MakeCurrent();
        return CudaDriver.cuEventSynchronize(read.Copied) == CudaDriver.Success;
    }

    /// <summary>Takes back what <see cref="Copy"/> gave; its copy is done.</summary>
    public void Return(PinnedRead read) => _free.Add(read);

    private static PinnedRead Create()
    {
        nint memory;
        CudaDriver.Check(CudaDriver.cuMemHostAlloc(&memory, sizeof(float), 0), "asking for page-locked memory");
        nint copied;
        CudaDriver.Check(CudaDriver.cuEventCreate(&copied, CudaDriver.EventWithoutTiming), "making an event");
        return new PinnedRead(memory, copied);
    }
}
