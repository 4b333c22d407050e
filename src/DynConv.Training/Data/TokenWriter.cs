using System.Runtime.InteropServices;
using DynConv.Serialization;

namespace DynConv.Training.Data;

/// <summary>Writes token ids to shards of equal length, and where documents end.</summary>
internal sealed class TokenWriter(string folder, int vocabularySize, long shardTokens) : IDisposable
{
    private readonly DataFileWriter _documentEnds = new(folder, DataManifest.DocumentsName);
    private readonly List<DataFile> _shards = [];
    private readonly List<Task> _flushes = [];
    private readonly ushort[] _narrow = new ushort[1 << 14];
    private DataFileWriter? _shard;
    private long _shardFilled;

    public int BytesPerToken { get; } = vocabularySize <= ushort.MaxValue + 1 ? sizeof(ushort) : sizeof(int);

    public long Tokens { get; private set; }

    public long TextBytes { get; private set; }

    public long Documents { get; private set; }

    /// <summary>Appends an encoded batch.</summary>
    public void Write(TextBatch batch)
    {
        foreach (int end in batch.DocumentEnds)
        {
            _documentEnds.Write(BitConverter.GetBytes(Tokens + end));
        }

        Documents += batch.DocumentEnds.Count;
        TextBytes += batch.Bytes;
        Write(CollectionsMarshal.AsSpan(batch.Tokens));
    }

    public (IReadOnlyList<DataFile> Shards, DataFile DocumentEnds) Finish()
    {
        CloseShard();
        Task.WhenAll(_flushes).GetAwaiter().GetResult();
        return (_shards, _documentEnds.Finish());
    }

    public void Dispose()
    {
        // What is left after a failure is removed with the folder, which nobody may have open then.
        Task.WhenAll(_flushes).ContinueWith(static _ => { }, TaskScheduler.Default).Wait();
        _shard?.Dispose();
        _documentEnds.Dispose();
    }

    private void Write(ReadOnlySpan<int> tokens)
    {
        CheckRange(tokens);
        Tokens += tokens.Length;
        while (!tokens.IsEmpty)
        {
            if (_shard is null || _shardFilled == shardTokens)
            {
                CloseShard();
                _shard = new DataFileWriter(folder, $"tokens-{_shards.Count:D5}.bin");
            }

            int count = (int)Math.Min(tokens.Length, shardTokens - _shardFilled);
            WriteToShard(_shard, tokens[..count]);
            _shardFilled += count;
            tokens = tokens[count..];
        }
    }

    private void WriteToShard(DataFileWriter shard, ReadOnlySpan<int> tokens)
    {
        if (BytesPerToken == sizeof(int))
        {
            shard.Write(MemoryMarshal.AsBytes(tokens));
            return;
        }

        for (int start = 0; start < tokens.Length; start += _narrow.Length)
        {
            int count = Math.Min(_narrow.Length, tokens.Length - start);
            for (int i = 0; i < count; i++)
            {
                _narrow[i] = (ushort)tokens[start + i];
            }

            shard.Write(MemoryMarshal.AsBytes(_narrow.AsSpan(0, count)));
        }
    }

    private void CloseShard()
    {
        if (_shard is not null)
        {
            DataFile finished = _shard.Finish();
            _shards.Add(finished);
            _shard.Dispose();
            _shard = null;

            // On its way to the disk while the next one is filled: at the end, all together would be waited for.
            _flushes.Add(Task.Run(() => Disk.FlushFile(Path.Combine(folder, finished.Name))));
            _shardFilled = 0;
        }
    }

    private void CheckRange(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)vocabularySize)
            {
                throw new DynConvException($"The tokenizer gave the id {token}, but its vocabulary has {vocabularySize}.");
            }
        }
    }
}
