using System.Globalization;
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

    /// <summary>What <see cref="Parse"/> understands, for messages.</summary>
    public const string Names = "auto, cpu, cuda or, where there are several cards, cuda:1 and so on";

    private const string CardPrefix = "cuda:";

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

    /// <summary>Whether ops compute nothing now because <see cref="Prepare"/> collects their kernels.</summary>
    internal bool IsPreparing => _context is { IsPlanning: true };

    /// <summary>What is being recorded to run again, if anything is.</summary>
    internal Recording? Recording => _context?.Recording;

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

    /// <summary>
    /// A device by its name: <c>cpu</c>, <c>cuda</c> (the first card), <c>cuda:1</c>, or <c>auto</c>, which is the first
    /// card if there is one that can be used and else the CPU.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <exception cref="DynConvException">It names no device, or one that is not here.</exception>
    public static Device Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name switch
    {
        "cpu" => Cpu,
        "cuda" => Cuda(),
        "auto" => TryCuda(out Device? card, out _) ? card! : Cpu,
        _ when CardIndex(name) is { } index => Cuda(index),
        _ => throw new DynConvException($"There is no device '{name}'; it can be {Names}."),
    };
    }

    /// <summary>Whether <see cref="Parse"/> understands a name; the device need not be there.</summary>
    /// <param name="name">The name.</param>
    public static bool IsName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name is "cpu" or "cuda" or "auto" || CardIndex(name) is not null;
    }

    /// <summary>
    /// Compiles the kernels that some work needs, all at once on all cores, so that nothing waits for the compiler later.
    /// </summary>
    /// <param name="work">
    /// Runs once on a card, and its ops compute nothing: results are undefined, and what they would overwrite stays as it
    /// was. Does not run on the CPU, where nothing is compiled.
    /// </param>
    /// <returns>How many kernels were needed that this process did not have yet.</returns>
    public int Prepare(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        return _context?.Prepare(work) ?? 0;
    }

    /// <summary>Waits until all ops queued on the device are done; ops on the CPU are done when they return.</summary>
    public void Synchronize() => _context?.Synchronize();

    /// <summary><c>cpu</c>, <c>cuda:0</c>.</summary>
    public override string ToString() => Kind switch
    {
        DeviceKind.Cuda => $"cuda:{Index}",
        _ => "cpu",
    };

    private static int? CardIndex(string name) =>
        name.StartsWith(CardPrefix, StringComparison.Ordinal)
        && int.TryParse(name.AsSpan(CardPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int index)
        ? index
        : null;
}
