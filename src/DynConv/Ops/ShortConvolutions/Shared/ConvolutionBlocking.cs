namespace DynConv.Ops;

/// <summary>
/// How a convolution is cut into independent blocks of work: <see cref="Parts"/> stretches of tokens times
/// <see cref="Groups"/> of channels. It follows from the shapes alone, and so do all sums.
/// </summary>
internal sealed record ConvolutionBlocking
{
    // Filters of a tile: most of an L1 cache of 32 KiB or 48 KiB.
    private const long TileFloats = 8192;

    private ConvolutionBlocking()
    {
    }

    public required long Tokens { get; init; }

    public required long Channels { get; init; }

    /// <summary>Channels of a group. One worker has all channels of a group, so sums over a group need no partial sums.</summary>
    public required long GroupChannels { get; init; }

    /// <summary>Channels that a kernel goes through at a time.</summary>
    public required long BlockChannels { get; init; }

    /// <summary>Tokens whose filters are in the cache at a time.</summary>
    public required long TileTokens { get; init; }

    public required long PartTokens { get; init; }

    public long Groups => (Channels + GroupChannels - 1) / GroupChannels;

    public long Parts => (Tokens + PartTokens - 1) / PartTokens;

    public long Blocks => Groups * Parts;

    /// <summary>Cuts a convolution.</summary>
    /// <param name="tokens">B · T.</param>
    /// <param name="channels">D.</param>
    /// <param name="width">W.</param>
    /// <param name="groupChannels">Channels of a group, about.</param>
    /// <param name="blockChannels">Channels of a block at most.</param>
    /// <param name="blocks">Number of blocks of work wanted.</param>
    /// <param name="headSize">Channels that no block separates where they fit one, and no group ever separates.</param>
    /// <param name="tileTokens">Tokens of a tile; as many as have room for their filters in a cache if not given.</param>
    public static ConvolutionBlocking Create(
        long tokens, long channels, int width, long groupChannels, long blockChannels, long blocks, long headSize = 1, long? tileTokens = null)
    {
        long group = Math.Max(1, groupChannels / headSize) * headSize;
        long block = headSize <= blockChannels ? blockChannels / headSize * headSize : blockChannels;
        block = Math.Min(block, Math.Max(1, channels));
        long tile = tileTokens ?? Math.Max(width, TileFloats / (block * width));
        long groups = Math.Max(1, (channels + group - 1) / group);
        long parts = Math.Max(1, blocks / groups);
        long tiles = (tokens + tile - 1) / tile;
        return new ConvolutionBlocking
        {
            Tokens = tokens,
            Channels = channels,
            GroupChannels = group,
            BlockChannels = block,
            TileTokens = tile,
            PartTokens = tile * Math.Max(1, (tiles + parts - 1) / parts),
        };
    }

    /// <summary>
    /// From one token's filters in a tile to the next token's. A line more than they need: rows a multiple of 4 KiB apart
    /// would all compete for the same few places of the L1 cache.
    /// </summary>
    public static long TileStride(int width, long channels) => ConvolutionScratch.Padded((width * channels) + 1);

    public (long First, long Last) TokensOfPart(long part) =>
        (part * PartTokens, Math.Min(Tokens, (part + 1) * PartTokens));

    /// <summary>The channel blocks of a group, in order.</summary>
    public IEnumerable<ChannelBlock> BlocksOfGroup(long group)
    {
        long end = Math.Min(Channels, (group + 1) * GroupChannels);
        for (long start = group * GroupChannels; start < end; start += BlockChannels)
        {
            yield return new ChannelBlock(start, Math.Min(BlockChannels, end - start));
        }
    }
}

/// <summary>Working memory of one block of work, handed out piece by piece and given back at once.</summary>
internal sealed unsafe class ConvolutionScratch : IDisposable
{
    // A cache line of floats: no piece shares a line with its neighbour.
    private const long Line = 16;

    private readonly Tensor _buffer;
    private float* _next;

    public ConvolutionScratch(long floats)
    {
        _buffer = Tensor.Empty([floats]);
        _next = _buffer.Float();
    }

    public static long Padded(long floats) => (floats + Line - 1) / Line * Line;

    public float* Take(long floats)
    {
        float* piece = _next;
        _next += Padded(floats);
        return piece;
    }

    public void Dispose() => _buffer.Dispose();
}
