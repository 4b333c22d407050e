using DynConv.Cuda;

namespace DynConv;

/// <summary>
/// A number on its way from a device to the host: <see cref="Tensor.ReadLater"/> asks for it, the ops that follow go on,
/// and whoever reads <see cref="Value"/> waits only for what was queued before.
/// </summary>
public sealed unsafe class PendingValue : IDisposable
{
    private readonly CudaContext? _context;
    private nint _memory;
    private nint _copied;
    private float? _value;

    internal PendingValue(Tensor tensor)
    {
        if (!tensor.Device.IsCuda)
        {
            _value = tensor.Item();
            return;
        }

        _context = tensor.Device.Context;
        _context.MakeCurrent();
        nint memory;
        CudaDriver.Check(CudaDriver.cuMemHostAlloc(&memory, sizeof(float), 0), "asking for page-locked memory");
        _memory = memory;
        nint copied;
        CudaDriver.Check(CudaDriver.cuEventCreate(&copied, CudaDriver.EventWithoutTiming), "making an event");
        _copied = copied;
        CudaDriver.Check(
            CudaDriver.cuMemcpyDtoHAsync_v2((void*)memory, tensor.Address, sizeof(float), _context.Stream), "a copy from the card");
        CudaDriver.Check(CudaDriver.cuEventRecord(copied, _context.Stream), "marking a copy");
    }

    /// <summary>Whether <see cref="Value"/> is there without waiting.</summary>
    public bool IsReady => _value is not null || CudaDriver.cuEventQuery(_copied) == CudaDriver.Success;

    /// <summary>The number; waits for it if need be.</summary>
    public float Value
    {
        get
        {
            if (_value is { } known)
            {
                return known;
            }

            _context!.MakeCurrent();
            CudaDriver.Check(CudaDriver.cuEventSynchronize(_copied), "work on the card");
            float value = *(float*)_memory;
            _value = value;
            Dispose();
            return value;
        }
    }

    /// <summary>Gives up what the copy needs.</summary>
    public void Dispose()
    {
        if (_memory == 0)
        {
            return;
        }

        // The copy may still be under way.
        _context!.MakeCurrent();
        _ = CudaDriver.cuEventSynchronize(_copied);
        _ = CudaDriver.cuEventDestroy_v2(_copied);
        _ = CudaDriver.cuMemFreeHost(_memory);
        (_memory, _copied) = (0, 0);
    }
}
