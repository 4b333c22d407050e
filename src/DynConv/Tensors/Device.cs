namespace DynConv;

/// <summary>Kinds of devices.</summary>
public enum DeviceKind
{
    /// <summary>The machine's processors and main memory.</summary>
    Cpu,
}

/// <summary>Where a tensor's elements live and its ops run.</summary>
public sealed class Device
{
    private Device(DeviceKind kind, int index, MemoryPool memory)
    {
        Kind = kind;
        Index = index;
        Memory = memory;
    }

    /// <summary>The machine's processors.</summary>
    public static Device Cpu { get; } = new(DeviceKind.Cpu, 0, new CpuMemoryPool());

    /// <summary>What kind of device this is.</summary>
    public DeviceKind Kind { get; }

    /// <summary>Which one of its kind, from 0.</summary>
    public int Index { get; }

    /// <summary>The pool that the device's tensors take their memory from.</summary>
    public MemoryPool Memory { get; }

    /// <summary><c>cpu</c>.</summary>
    public override string ToString() => Kind switch
    {
        _ => "cpu",
    };
}
