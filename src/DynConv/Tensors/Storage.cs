using DynConv.Cuda;

namespace DynConv;

/// <summary>A buffer of a device's pool, shared by the tensors that view it; the last one gives it back.</summary>
internal sealed class Storage
{
    private readonly long _rented;
    private nint _pointer;
    private int _references = 1;

    public Storage(Device device, long bytes)
    {
        Device = device;
        Recording = device.Recording;
        _pointer = device.Memory.Rent(bytes, out _rented);
    }

    public Device Device { get; }

    /// <summary>What this was a temporary of when it was made; null as a rule.</summary>
    public Recording? Recording { get; }

    public nint Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_pointer == 0, typeof(Tensor));
            Device.Recording?.Hold(this);
            return _pointer;
        }
    }

    /// <summary>The address for code that runs on the host.</summary>
    public nint HostPointer => Device.IsCuda
        ? throw new DynConvException($"A kernel of the CPU was given a tensor on {Device}.")
        : Pointer;

    /// <summary>How many tensors hold this buffer.</summary>
    public int References => Volatile.Read(ref _references);

    /// <summary>
    /// Rises when elements that others may have derived something from are overwritten: by a copy into a tensor, or by
    /// an optimizer's step. Ops that fill a fresh result do not count.
    /// </summary>
    public long Version { get; private set; }

    /// <summary>A copy of what lies here that an optimizer writes along with it; null if there is none.</summary>
    public Counterpart? Counterpart { get; set; }

    public void MarkChanged() => Version++;

    public Storage Retain()
    {
        Interlocked.Increment(ref _references);
        return this;
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            Device.Memory.Return(_pointer, _rented);
            _pointer = 0;
        }
    }
}
