namespace DynConv;

/// <summary>
/// Memory of one device. A buffer comes from the pool, goes back at a known line, and is given out again; the garbage
/// collector has no part in it. Any thread may use a pool.
/// </summary>
public abstract class MemoryPool
{
    /// <summary>What may always be kept beside the buffers in use.</summary>
    internal const long AlwaysKept = 64 << 20;

    private readonly Lock _gate = new();
    private readonly Dictionary<long, Stack<nint>> _free = [];

    /// <summary>Whose a buffer is that is more than the pool's.</summary>
    private readonly Dictionary<nint, MemoryArena> _owners = [];

    /// <summary>Who takes buffers now, if not the pool's users in general.</summary>
    private MemoryArena? _arena;

    private long _liveBuffers;
    private long _liveBytes;
    private long _reservedBytes;
    private long _peakLiveBytes;
    private long _highestLiveBytes;

    private protected MemoryPool()
    {
    }

    /// <summary>
    /// Whether fresh buffers are filled with NaN, so that a read of memory that nothing wrote shows in the result.
    /// For tests; the environment variable <c>DYNCONV_POISON=1</c> sets it at start.
    /// </summary>
    public bool Poison { get; internal set; } = Environment.GetEnvironmentVariable("DYNCONV_POISON") == "1";

    /// <summary>Buffers that are in use now.</summary>
    public long LiveBuffers => Interlocked.Read(ref _liveBuffers);

    /// <summary>Bytes of the buffers in use, rounded up as the pool does.</summary>
    public long LiveBytes => Interlocked.Read(ref _liveBytes);

    /// <summary>The most that <see cref="LiveBytes"/> has been since the last <see cref="ResetPeak"/>.</summary>
    public long PeakLiveBytes => Interlocked.Read(ref _peakLiveBytes);

    /// <summary>
    /// Bytes taken from the device: those in use and those kept for the next request. Never more than twice what was in
    /// use at any one time, and 64 MiB.
    /// </summary>
    public long ReservedBytes => Interlocked.Read(ref _reservedBytes);

    /// <summary>Starts the measurement of <see cref="PeakLiveBytes"/> anew.</summary>
    public void ResetPeak()
    {
        lock (_gate)
        {
            _peakLiveBytes = _liveBytes;
        }
    }

    /// <summary>Gives all memory that is not in use back to the device.</summary>
    public void Trim()
    {
        lock (_gate)
        {
            foreach ((long size, Stack<nint> buffers) in _free)
            {
                while (buffers.TryPop(out nint buffer))
                {
                    FreeDevice(buffer, size);
                    _reservedBytes -= size;
                }
            }
        }
    }

    /// <summary>From here to <see cref="End"/> whatever buffer is asked for is a recording's.</summary>
    internal MemoryArena Begin()
    {
        lock (_gate)
        {
            return _arena = new MemoryArena { HighestLiveBytes = _liveBytes };
        }
    }

    /// <summary>The recording is made.</summary>
    internal void End()
    {
        lock (_gate)
        {
            _arena!.TemporaryBytes = _arena.HighestLiveBytes - _liveBytes;
            _arena = null;
        }
    }

    /// <summary>A recording runs, and uses its buffers.</summary>
    internal void NoteRun(MemoryArena arena)
    {
        lock (_gate)
        {
            _peakLiveBytes = Math.Max(_peakLiveBytes, _liveBytes + arena.TemporaryBytes);
        }
    }

    /// <summary>A recording is given up: its buffers are the pool's again, those in use as soon as they come back.</summary>
    internal void Release(MemoryArena arena)
    {
        lock (_gate)
        {
            foreach ((long size, Stack<nint> buffers) in arena.Free)
            {
                foreach (nint buffer in buffers)
                {
                    Push(_free, size, buffer);
                }
            }

            arena.Free.Clear();
            foreach ((nint buffer, _) in _owners.Where(owner => ReferenceEquals(owner.Value, arena)).ToArray())
            {
                _owners.Remove(buffer);
            }
        }
    }

    internal nint Rent(long bytes, out long rented)
    {
        rented = RoundUp(bytes);
        nint buffer;
        lock (_gate)
        {
            if (!(_arena is not null && TryPop(_arena.Free, rented, out buffer)) && !TryPop(_free, rented, out buffer))
            {
                buffer = Allocate(rented);
            }

            _liveBuffers++;
            _liveBytes += rented;
            _peakLiveBytes = Math.Max(_peakLiveBytes, _liveBytes);
            _highestLiveBytes = Math.Max(_highestLiveBytes, _liveBytes);
            if (_arena is not null)
            {
                _owners[buffer] = _arena;
                _arena.HighestLiveBytes = Math.Max(_arena.HighestLiveBytes, _liveBytes);
            }
        }

        if (Poison)
        {
            FillNaN(buffer, rented);
        }

        return buffer;
    }

    internal void Return(nint buffer, long rented)
    {
        lock (_gate)
        {
            Push(_owners.TryGetValue(buffer, out MemoryArena? arena) ? arena.Free : _free, rented, buffer);
            _liveBuffers--;
            _liveBytes -= rented;
        }
    }

    /// <summary>Takes memory from the device; 0 if there is not enough.</summary>
    private protected abstract nint AllocateDevice(long bytes);

    private protected abstract void FreeDevice(nint buffer, long bytes);

    private protected abstract void FillNaN(nint buffer, long bytes);

    /// <summary>What else is worth knowing when memory runs out; empty if nothing.</summary>
    private protected virtual string Describe() => "";

    private static bool TryPop(Dictionary<long, Stack<nint>> free, long size, out nint buffer)
    {
        buffer = 0;
        return free.TryGetValue(size, out Stack<nint>? buffers) && buffers.TryPop(out buffer);
    }

    private static void Push(Dictionary<long, Stack<nint>> free, long size, nint buffer)
    {
        if (!free.TryGetValue(size, out Stack<nint>? buffers))
        {
            free[size] = buffers = new Stack<nint>();
        }

        buffers.Push(buffer);
    }

    private string Details() => Describe() is { Length: > 0 } text ? $" ({text})" : "";

    // Shapes that keep changing would fill the pool with buffers of sizes that never come again. To drop them all costs
    // little: what is needed next is taken anew, and it takes as much of that until the next time.
    private nint Allocate(long bytes)
    {
        long highest = Math.Max(_highestLiveBytes, _liveBytes + bytes);
        if (_reservedBytes + bytes > (2 * highest) + AlwaysKept)
        {
            Trim();
        }

        nint buffer = AllocateOrTrim(bytes);
        _reservedBytes += bytes;
        return buffer;
    }

    private nint AllocateOrTrim(long bytes)
    {
        nint buffer = AllocateDevice(bytes);
        if (buffer == 0)
        {
            Trim();
            buffer = AllocateDevice(bytes);
        }

        return buffer != 0 ? buffer : throw new DynConvException(
            $"Out of memory: {bytes:N0} bytes asked for, {_liveBytes:N0} in use in {_liveBuffers:N0} buffers{Details()}; a smaller model, batch or context needs less.");
    }

    // Sizes are rounded to an eighth of their power of two, so that shapes which vary a little share buffers and at
    // most an eighth is lost.
    private static long RoundUp(long bytes)
    {
        const long Smallest = 256;
        if (bytes <= Smallest)
        {
            return Smallest;
        }

        int log = 63 - System.Numerics.BitOperations.LeadingZeroCount((ulong)(bytes - 1));
        long step = Math.Max(Smallest, 1L << Math.Max(0, log - 3));
        return (bytes + step - 1) / step * step;
    }
}

/// <summary>Main memory, aligned to 64 bytes.</summary>
internal sealed unsafe class CpuMemoryPool : MemoryPool
{
    private protected override nint AllocateDevice(long bytes)
    {
        try
        {
            return (nint)Cpu.LargeMemory.Allocate((nuint)bytes);
        }
        catch (OutOfMemoryException)
        {
            return 0;
        }
    }

    private protected override void FreeDevice(nint buffer, long bytes) =>
        Cpu.LargeMemory.Free((void*)buffer);

    // All bits set is a NaN as float32 and as bfloat16, and an invalid id as int32.
    private protected override void FillNaN(nint buffer, long bytes) =>
        System.Runtime.InteropServices.NativeMemory.Fill((void*)buffer, (nuint)bytes, 0xFF);
}
