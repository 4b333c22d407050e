using System.Runtime.InteropServices;

namespace DynConv.Training.Data;

/// <summary>The mapped files of a data folder, shared by the datasets that are parts of it; the last one closes them.</summary>
internal sealed class TokenShards : IDisposable
{
    private readonly long _shardTokens;
    private readonly MappedFile<ushort>[] _narrow = [];
    private readonly MappedFile<int>[] _wide = [];
    private readonly MappedFile<long> _documentEnds;
    private int _references = 1;

    public TokenShards(string folder, DataManifest manifest)
    {
        Manifest = manifest;
        _shardTokens = manifest.ShardTokens;
        _documentEnds = new MappedFile<long>(Path.Combine(folder, manifest.DocumentEnds.Name), manifest.Documents);
        if (manifest.BytesPerToken == sizeof(ushort))
        {
            _narrow = Map<ushort>(folder, manifest);
        }
        else
        {
            _wide = Map<int>(folder, manifest);
        }
    }

    public DataManifest Manifest { get; }

    public long Documents => _documentEnds.Count;

    /// <summary>Where document <paramref name="index"/> lies.</summary>
    public TokenRange Document(long index) => new(index == 0 ? 0 : _documentEnds[index - 1], _documentEnds[index]);

    /// <summary>
    /// Where documents begin after <paramref name="after"/> and before <paramref name="before"/>, in ascending order.
    /// Empty documents begin where the next one does.
    /// </summary>
    public IEnumerable<long> DocumentStarts(long after, long before)
    {
        long last = after;
        for (long i = FirstEndAfter(after); i < Documents && _documentEnds[i] < before; i++)
        {
            if (_documentEnds[i] > last)
            {
                last = _documentEnds[i];
                yield return last;
            }
        }
    }

    public void CopyTo(long position, Span<int> destination)
    {
        while (!destination.IsEmpty)
        {
            int shard = (int)(position / _shardTokens);
            long offset = position % _shardTokens;
            int count = (int)Math.Min(destination.Length, _shardTokens - offset);
            CopyFromShard(shard, offset, destination[..count]);
            destination = destination[count..];
            position += count;
        }
    }

    /// <summary>Adds a user, who has to dispose this too.</summary>
    public TokenShards Retain()
    {
        Interlocked.Increment(ref _references);
        return this;
    }

    /// <summary>Ends the use of one who made or retained this.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _references) > 0)
        {
            return;
        }

        _documentEnds.Dispose();
        Array.ForEach(_narrow, file => file.Dispose());
        Array.ForEach(_wide, file => file.Dispose());
    }

    private static MappedFile<T>[] Map<T>(string folder, DataManifest manifest)
        where T : unmanaged =>
        [.. manifest.Shards.Select(shard => new MappedFile<T>(Path.Combine(folder, shard.Name), shard.Bytes / Marshal.SizeOf<T>()))];

    /// <summary>The first document that ends after a position; <see cref="Documents"/> if none does.</summary>
    private long FirstEndAfter(long position)
    {
        (long low, long high) = (0, Documents);
        while (low < high)
        {
            long middle = low + ((high - low) / 2);
            (low, high) = _documentEnds[middle] > position ? (low, middle) : (middle + 1, high);
        }

        return low;
    }

    private void CopyFromShard(int shard, long offset, Span<int> destination)
    {
        if (_wide.Length > 0)
        {
            _wide[shard].Slice(offset, destination.Length).CopyTo(destination);
            return;
        }

        ReadOnlySpan<ushort> tokens = _narrow[shard].Slice(offset, destination.Length);
        for (int i = 0; i < tokens.Length; i++)
        {
            destination[i] = tokens[i];
        }
    }
}
