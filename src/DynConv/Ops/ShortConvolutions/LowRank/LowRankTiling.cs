using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>How the tensor-core kernels divide the work of a low-rank convolution; constants of low_rank_tiles.cuh.</summary>
/// <param name="Width">Taps.</param>
/// <param name="RankTiles">Ranks / 16, padded to a power of two.</param>
/// <param name="Pairs">Pairs of channels that a lane owns.</param>
/// <param name="Warps">Warps of a block.</param>
/// <param name="Columns">Warps side by side along a block's channels.</param>
/// <param name="WarpsTogether">Warps that share channels and tokens; the others take further tokens.</param>
/// <param name="Ahead">Steps that loads run ahead of their use.</param>
internal readonly record struct LowRankTiling(
    int Width, int RankTiles, int Pairs, int Warps, int Columns, int WarpsTogether, int Ahead)
{
    public const int LargestWidth = 8;
    public const int TileRanks = 16;
    public const int Runs = 8;
    public const int Step = 4;
    private const int WarpThreads = 32;
    private const int Chunk = 16; // bytes
    private const int MostRankTiles = 8;
    private const int MostColumns = 8;

    // Larger ones keep more bytes in flight, smaller ones fit where filters are large.
    private static readonly (int Warps, int Columns, int Ahead)[] ForwardShapes =
        [(8, 2, 2), (8, 2, 1), (4, 2, 1), (2, 1, 1), (1, 1, 1)];

    public int Threads => Warps * WarpThreads;

    public int Ranks => RankTiles * TileRanks;

    public int BlockChannels => Columns * Pairs * 8;

    /// <summary>Runs of tokens of a block.</summary>
    public int BlockRuns => Warps / Columns / WarpsTogether * Runs;

    private int Past => (Width + Step - 2) / Step;

    private int RowStepBytes => Step * Runs * Pairs * Chunk;

    private int FactorStepBytes => Step * Runs * 2 * RankTiles * Chunk;

    private int BasisBytes => Width * Pairs * Ranks * Chunk;

    private int StaticBytes => Width * 8 * Pairs * sizeof(uint);

    public int ForwardBytes => (Columns * (BasisBytes + StaticBytes)) + (Warps * (Ahead + 1) * (RowStepBytes + FactorStepBytes));

    public int BackwardBytes => Columns * ((2 * BasisBytes) + StaticBytes
        + ((Ahead + 1 + Past) * ((2 * RowStepBytes) + FactorStepBytes))
        + (2 * Step * Runs * Ranks * sizeof(float)));

    /// <summary>The forward kernel's; null if the shape does not suit it.</summary>
    public static LowRankTiling? Forward(int width, long rank, int sharedBytes)
    {
        if (width > LargestWidth || rank > MostRankTiles * TileRanks)
        {
            return null;
        }

        foreach ((int warps, int columns, int ahead) in ForwardShapes)
        {
            var tiling = new LowRankTiling(width, PaddedTiles(rank), 4, warps, columns, 1, ahead);
            if (tiling.ForwardBytes <= sharedBytes)
            {
                return tiling;
            }
        }

        return null;
    }

    /// <summary>
    /// The backward kernel's for as many ranks as its sums leave registers for; null if the shape does not suit it.
    /// </summary>
    public static LowRankTiling? Backward(int width, long rank, int sharedBytes)
    {
        // A warp keeps 128 sums for each tap, pair of channels and tile of ranks: 64 of a lane's 128 registers at most, or with
        // half as many warps 128 of 255.
        const int MostSums = 16;
        int rankTiles = rank > TileRanks && width * 4 <= MostSums ? 2 : 1;
        int pairs = width * 4 <= MostSums ? 4 : 2;
        int most = width * pairs * rankTiles > MostSums ? MostColumns / 2 : MostColumns;
        for (int columns = width > LargestWidth ? 0 : most; columns > 0; columns /= 2)
        {
            var tiling = new LowRankTiling(width, rankTiles, pairs, 2 * columns, columns, WarpsTogether: 2, Ahead: 1);
            if (tiling.BackwardBytes <= sharedBytes)
            {
                return tiling;
            }
        }

        return null;
    }

    /// <summary>
    /// Tokens of a run: what leaves the multiprocessors busy longest together. A block takes as long as its runs and the
    /// <paramref name="lead"/> tokens with which each begins or ends.
    /// </summary>
    public int Run(long batch, long time, long channels, int multiprocessors, int lead)
    {
        const int MostWaves = 8;

        // The forward kernel takes a ring of steps at a time.
        int unit = WarpsTogether == 1 ? Step * (Ahead + 1) : Step;
        long rows = batch * BlocksAlongChannels(channels);
        long needed = (rows + multiprocessors - 1) / multiprocessors;
        long best = 0;
        long least = long.MaxValue;
        for (long waves = needed; waves < needed + MostWaves; waves++)
        {
            long blocks = waves * multiprocessors / rows;
            long run = RoundUp(DivideUp(time, blocks * BlockRuns), unit);
            long cost = DivideUp(rows * BlocksAlongTime(time, run), multiprocessors) * (run + lead);
            (best, least) = cost < least ? (run, cost) : (best, least);
        }

        return checked((int)best);
    }

    public long BlocksAlongChannels(long channels) => DivideUp(channels, BlockChannels);

    public long BlocksAlongTime(long time, long run) => DivideUp(time, BlockRuns * run);

    /// <summary>The forward kernel's macros.</summary>
    public (string Name, object Value)[] ForwardMacros(LowRankTypes types)
    {
        // The rows of a step and the sums need about 120 of a lane's 255 registers. Packed sequences compile the step twice
        // and need more: they keep no filters.
        const int MostKept = 48;
        return
        [
            .. Macros(types),
            ("SHARED_BYTES", ForwardBytes),
            ("WARPS", Warps),
            ("COLUMNS", Columns),
            ("KEPT", !types.IsPacked && Width * Pairs * 2 * RankTiles <= MostKept ? 1 : 0),
        ];
    }

    /// <summary>The backward kernel's macros.</summary>
    public (string Name, object Value)[] BackwardMacros(LowRankTypes types, bool inputs, bool accumulate) =>
        [.. Macros(types), ("SHARED_BYTES", BackwardBytes), ("COLUMNS", Columns), ("INPUTS", inputs ? 1 : 0), ("ACCUMULATE", accumulate ? 1 : 0)];

    private (string Name, object Value)[] Macros(LowRankTypes types) =>
    [
        ("WIDTH", Width),
        ("RANK_TILES", RankTiles),
        ("PAIRS", Pairs),
        ("AHEAD", Ahead),
        ("WEIGHT", types.U.CudaName()),
        ("STATIC_WEIGHT", types.Static.CudaName()),
        ("PACKED", types.IsPacked ? 1 : 0),
    ];

    private static int PaddedTiles(long rank)
    {
        int tiles = 1;
        while (tiles * TileRanks < rank)
        {
            tiles *= 2;
        }

        return tiles;
    }

    private static long DivideUp(long a, long b) => (a + b - 1) / b;

    private static long RoundUp(long a, long b) => DivideUp(a, b) * b;
}

/// <summary>Of the specialisations of a low-rank kernel: the parameters' types and whether sequences are packed.</summary>
internal readonly record struct LowRankTypes(DType U, DType Static, bool IsPacked)
{
    public static LowRankTypes Of(ConvolutionInputs inputs, Tensor u) =>
        new(u.DType, inputs.StaticWeight?.DType ?? u.DType, inputs.Sequences.Packed is not null);
}
