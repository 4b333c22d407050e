namespace DynConv;

/// <summary>
/// The buffers that a recording was given (<see cref="MemoryPool.Begin"/>): free memory within it, and nobody else's between its
/// runs.
/// </summary>
internal sealed class MemoryArena
{
    /// <summary>Buffers by size. For the pool, under its lock.</summary>
    public Dictionary<long, Stack<nint>> Free { get; } = [];

    /// <summary>The most bytes in use at a time while this took buffers, the pool's others included.</summary>
    public long HighestLiveBytes { get; set; }

    /// <summary>How many of them a run uses beside what is in use before and after it.</summary>
    public long TemporaryBytes { get; set; }
}
