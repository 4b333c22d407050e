namespace DynConv.Ops;

/// <summary>How a kernel of <see cref="AttentionTensorCores"/> is cut up.</summary>
/// <param name="Head">Head size.</param>
/// <param name="Warps">Warps of a block.</param>
/// <param name="Count">Tiles of 16 rows that a warp owns.</param>
/// <param name="Walked">Rows of a tile that the block walks.</param>
/// <param name="Chunk">Rows of those whose scores are held at a time.</param>
/// <param name="Kept">Whether a warp's own rows stay in registers.</param>
internal readonly record struct AttentionTiles(int Head, int Warps, int Count, int Walked, int Chunk, bool Kept)
{
    private const int Lanes = 32;
    private const int TileRows = 16;
    private const int ElementBytes = 2;

    /// <summary>Rows that a block owns.</summary>
    public int Rows => TileRows * Warps * Count;

    /// <summary>Threads of a block.</summary>
    public int Threads => Warps * Lanes;

    /// <summary>Bytes of a row in shared memory, as in attention_mma.cuh.</summary>
    public int RowBytes => (((Head + 15) / 16 * 16) + 8) * ElementBytes;

    /// <summary>Shorter tiles to walk, where a card has too little shared memory for these.</summary>
    public AttentionTiles Fitting(Device device, Func<AttentionTiles, int> sharedBytes)
    {
        AttentionTiles tiles = this;
        while (tiles.Walked > TileRows && sharedBytes(tiles) > device.Context.MaximumSharedBytes)
        {
            int walked = tiles.Walked / 2;
            tiles = tiles with { Walked = walked, Chunk = Math.Min(walked, tiles.Chunk) };
        }

        return tiles;
    }

    public (string Name, object Value)[] Macros(string walked) =>
    [
        ("HEAD", Head),
        ("WARPS", Warps),
        ("TILES", Count),
        (walked, Walked),
        ("CHUNK", Chunk),
        ("KEPT", Kept ? 1 : 0),
    ];
}
