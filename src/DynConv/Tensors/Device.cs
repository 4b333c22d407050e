using DynConv.Cuda;

namespace DynConv;

/// <summary>Kinds of devices.</summary>
public enum DeviceKind
{
    /// <summary>The machine's processors and main memory.</summary>
    Cpu,

    /// <summary>An NVIDIA card and its memory.</summary>
    Cuda,
}

/// <summary>Where a tensor's elements live and its ops run.</summary>
public sealed class Device
{
    private static readonly Lock Gate = new();
    private static readonly Dictionary<int, Device> Cards = [];

    private readonly CudaContext? _context;

    private Device(DeviceKind kind, int index, MemoryPool memory, CudaContext? context = null)
    {
        Kind = kind;
        Index = index;
        Memory = memory;
        _context = context;
    }

    /// <summary>The machine's processors.</summary>
    public static Device Cpu { get; } = new(DeviceKind.Cpu, 0, new CpuMemoryPool());

    /// <summary>What kind of device this is.</summary>
    public DeviceKind Kind { get; }

    /// <summary>Which one of its kind, from 0.</summary>
    public int Index { get; }

    /// <summary>The pool that the device's tensors take their memory from.</summary>
    public MemoryPool Memory { get; }

    /// <summary>Whether this is an NVIDIA card.</summary>
    public bool IsCuda => _context is not null;

    /// <summary>The name of a card, as in <c>NVIDIA H200</c>; <c>CPU</c> for the processors.</summary>
    public string Name => _context?.Name ?? "CPU";

    internal CudaContext Context => _context
        ?? throw new DynConvException("This needs a CUDA device, and the tensor lies on the CPU.");

    /// <summary>An NVIDIA card.</summary>
    /// <param name="index">Which one, from 0, in the driver's order.</param>
    /// <exception cref="DynConvException">There is no such card, or a library that it takes is missing: the message says which.</exception>
    public static Device Cuda(int index = 0)
    {
        lock (Gate)
        {
            if (Cards.TryGetValue(index, out Device? device))
            {
                return device;
            }

            int count = CudaContext.Count(out string? reason);
            if (reason is not null)
            {
                throw new DynConvException($"There is no CUDA device: {reason}.");
            }

            if (index < 0 || index >= count)
            {
                throw new DynConvException($"There is no CUDA device {index}: the machine has {count}, counted from 0.");
            }

            CudaContext context = CudaContext.Open(index);
            return Cards[index] = new Device(DeviceKind.Cuda, index, new CudaMemoryPool(context), context);
        }
    }

    /// <summary>The first NVIDIA card, if there is one that can be used.</summary>
    /// <param name="device">The card.</param>
    /// <param name="reason">Why there is none.</param>
    public static bool TryCuda(out Device? device, out string? reason)
    {
        try
        {
            (device, reason) = (Cuda(), null);
            return true;
        }
        catch (DynConvException exception)
        {
            (device, reason) = (null, exception.Message);
            return false;
        }
    }

    /// <summary>Waits until all ops queued on the device are done; ops on the CPU are done when they return.</summary>
    public void Synchronize() => _context?.Synchronize();

    /// <summary><c>cpu</c>, <c>cuda:0</c>.</summary>
    public override string ToString() => Kind switch
    {
        DeviceKind.Cuda => $"cuda:{Index}",
        _ => "cpu",
    };
}
