namespace DynConv.Ops;

/// <summary>What every kernel of one call of attention is told.</summary>
internal sealed class CudaAttentionCall
{
    /// <summary>Queries of the statistics in the backward pass are a multiple of this; so are the tiles of queries.</summary>
    public const int QueryMultiple = 64;

    /// <summary>How many blocks of a head may run at a time and hardly wait for one another.</summary>
    private const int BlocksOfHead = 6;

    private readonly long _batch;
    private readonly long _channels;
    private readonly AttentionShape _shape;

    /// <param name="q">Queries.</param>
    /// <param name="k">Keys.</param>
    /// <param name="bounds">Where the sequence of each token starts and ends, <c>[2, T]</c>; null if there is only one.</param>
    /// <param name="scale">Factor of the scores.</param>
    public CudaAttentionCall(Tensor q, Tensor k, Tensor? bounds, float scale)
    {
        Device = q.Device;
        Type = q.DType;
        _batch = q.Shape[0];
        _channels = q.Shape[3];
        _shape = new AttentionShape(
            bounds?.Address ?? 0,
            checked((int)_batch),
            checked((int)q.Shape[2]),
            checked((int)k.Shape[2]),
            checked((int)q.Shape[1]),
            checked((int)k.Shape[1]),
            scale);
    }

    public Device Device { get; }

    /// <summary>What q, k and v hold.</summary>
    public DType Type { get; }

    /// <summary>Head size, K.</summary>
    public int Head => (int)_channels;

    public int Queries => _shape.Queries;

    public int Keys => _shape.Keys;

    public int QueryHeads => _shape.Heads;

    /// <summary>Queries that the statistics of the backward pass have room for.</summary>
    public int PaddedQueries => (Queries + QueryMultiple - 1) / QueryMultiple * QueryMultiple;

    /// <summary>Rows of q: B H T.</summary>
    public long QueryRows => _batch * _shape.Heads * _shape.Queries;

    public AttentionShape Shape => _shape;

    /// <summary>Blocks of tiles of queries of all heads.</summary>
    public long QueryTiles(int tile) => _batch * _shape.Heads * ((Queries + tile - 1) / tile);

    /// <summary>Blocks of tiles of keys of all heads.</summary>
    public long KeyTiles(int tile) => _batch * _shape.KeyHeads * ((Keys + tile - 1) / tile);

    /// <summary>How many query heads to work on at a time, so that their keys and values stay in the second-level cache.</summary>
    public int QueryHeadsTogether =>
        Together(_batch * _shape.Heads, (long)Keys * _shape.KeyHeads / Math.Max(1, _shape.Heads));

    /// <summary>The same for key heads, with the queries that share them.</summary>
    public int KeyHeadsTogether => Together(_batch * _shape.KeyHeads, (long)Queries * _shape.Heads / _shape.KeyHeads);

    /// <summary>
    /// The same where the blocks of a head wait for one another: also so many that the blocks which run at a time are of many
    /// heads.
    /// </summary>
    public int KeyHeadsInTurn => (int)Math.Clamp(
        Math.Max(KeyHeadsTogether, (Device.Context.Multiprocessors + BlocksOfHead - 1) / BlocksOfHead), 1, Math.Max(1, _batch * _shape.KeyHeads));

    /// <summary>Two tensors' rows of each head, in half of the cache.</summary>
    private int Together(long heads, long rows)
    {
        long bytes = Math.Max(1, 2 * rows * _channels * Type.SizeInBytes());
        return (int)Math.Clamp(Device.Context.L2Bytes / 2 / bytes, 1, Math.Max(1, heads));
    }
}
