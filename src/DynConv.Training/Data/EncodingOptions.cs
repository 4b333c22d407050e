using DynConv.Cpu;

namespace DynConv.Training.Data;

/// <summary>How text is encoded. None of it changes the ids.</summary>
public sealed record EncodingOptions
{
    /// <summary>Threads that encode; unless set, as many as the ops of the calling thread have, <see cref="CpuSettings.Threads"/>.</summary>
    public int Threads { get; init; } = CpuSettings.Threads;

    /// <summary>Ids in one shard file.</summary>
    public long ShardTokens { get; init; } = 1 << 26;

    /// <summary>Told after each batch of about a megabyte, on the calling thread.</summary>
    public IProgress<EncodingProgress>? Progress { get; init; }

    /// <summary>Stops the encoding and leaves nothing behind.</summary>
    public CancellationToken Cancellation { get; init; }
}
