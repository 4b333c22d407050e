namespace DynConv.Ops;

/// <summary>What every kernel of one call of attention is told.</summary>
internal sealed class CudaAttentionCall
{
    /// <summary>Queries of the statistics in the backward pass are a multiple of this; so are the tiles of queries.</summary>
    public const int QueryMultiple = 64;

    private const int HeadsInTurn = 24;

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
    /// The same where blocks of a head add to one tensor in turn: about <see cref="HeadsInTurn"/>, all groups alike. With fewer,
    /// more blocks of one head run at a time and wait for one another; with more, fewer find their queries in the cache.
    /// </summary>
    public int KeyHeadsInTurn
    {
        get
        {
            long heads = Math.Max(1, _batch * _shape.KeyHeads);
            long groups = Math.Max(1, (heads + (HeadsInTurn / 2)) / HeadsInTurn);
            return (int)((heads + groups - 1) / groups);
        }
    }

    /// <summary>Two tensors' rows of each head, in half of the cache.</summary>
    private int Together(long heads, long rows)
    {
        long bytes = Math.Max(1, 2 * rows * _channels * Type.SizeInBytes());
        return (int)Math.Clamp(Device.Context.L2Bytes / 2 / bytes, 1, Math.Max(1, heads));
    }
}
