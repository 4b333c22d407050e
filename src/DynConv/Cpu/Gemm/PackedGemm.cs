using System.Runtime.CompilerServices;

namespace DynConv.Cpu;

/// <summary>
/// The managed matrix product: B is packed once and shared, A is packed tile by tile into the cache of the core that
/// computes the tile, and <see cref="GemmKernel{TSimd, TVector}"/> does the arithmetic.
/// </summary>
/// <remarks>
/// After K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication", 2008. An element of C is
/// summed in blocks of the depth that K alone decides, each from its first product to its last, so that neither tiles
/// nor threads show in the result.
/// </remarks>
internal static unsafe class PackedGemm<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    // A panel of B this deep (32 KiB at the widest) stays in the first-level cache while a tile's rows pass.
    private const long MaxDepth = 256;

    // Rows of a tile: few, so that the threads finish together, and enough to use each panel of B several times.
    private const long MinTileRows = 24;
    private const long MaxTileRows = 96;
    private const long WantedTiles = 32;

    // Rows up to which packing a plain B takes longer than reading it from where it is.
    private const long MaxUnpackedRows = 24;

    // Columns of a tile where there are few rows, and so few tiles.
    private const long NarrowTileColumns = 256;

    // Elements of B that are packed at a time, which bounds the memory that a huge B takes.
    private const long MaxPackedB = 1L << 22;

    // Multiplications below which waking other threads costs more than they save.
    private const double SmallProduct = 1 << 18;

    private static int RowsOfPanel => GemmKernel<TSimd, TVector>.Rows;

    private static int ColumnsOfPanel => GemmKernel<TSimd, TVector>.Columns;

    public static void Multiply(GemmProblem problem)
    {
        long columns = Math.Max(1, MaxPackedB / problem.K / NarrowTileColumns) * NarrowTileColumns;
        for (long column = 0; column < problem.N; column += columns)
        {
            MultiplyChunk(problem.Tile(0, problem.M, column, Math.Min(columns, problem.N - column)));
        }
    }

    private static void MultiplyChunk(GemmProblem problem)
    {
        long panels = Blocks(problem.N, ColumnsOfPanel);
        float* packed = GemmScratch.B(panels * ColumnsOfPanel * problem.K);
        bool inPlace = !problem.B.Transposed && problem.M <= MaxUnpackedRows;

        // The kernel reads whole panels: a narrower last one is packed all the same.
        long firstPacked = inPlace ? problem.N / ColumnsOfPanel : 0;
        long tileRows = Math.Clamp(
            Blocks(problem.M, WantedTiles * RowsOfPanel) * RowsOfPanel, MinTileRows, MaxTileRows);
        long rowTiles = Blocks(problem.M, tileRows);
        long tileColumns = rowTiles * 2 >= WantedTiles ? problem.N : NarrowTileColumns;
        long columnTiles = Blocks(problem.N, tileColumns);

        if ((double)problem.M * problem.N * problem.K < SmallProduct)
        {
            PackB(problem, firstPacked, panels, packed);
            MultiplyTile(problem, inPlace, packed);
            return;
        }

        Workers.ForRange(
            panels - firstPacked, 1, (start, end) => PackB(problem, firstPacked + start, firstPacked + end, packed));
        Workers.For(rowTiles * columnTiles, tile =>
        {
            (long columnTile, long rowTile) = Math.DivRem(tile, rowTiles);
            long row = rowTile * tileRows;
            long column = columnTile * tileColumns;
            GemmProblem part = problem.Tile(
                row, Math.Min(tileRows, problem.M - row), column, Math.Min(tileColumns, problem.N - column));
            MultiplyTile(part, inPlace, packed + (column * problem.K));
        });
    }

    private static long Blocks(long length, long block) => (length + block - 1) / block;

    private static void PackB(GemmProblem problem, long firstPanel, long endPanel, float* packed)
    {
        for (long column = firstPanel * ColumnsOfPanel; column < endPanel * ColumnsOfPanel; column += ColumnsOfPanel)
        {
            int lanes = (int)Math.Min(ColumnsOfPanel, problem.N - column);
            GemmOperand lane = problem.B.FromColumn(column);
            Pack(lane, lane.Transposed, lanes, problem.K, packed + (column * problem.K), ColumnsOfPanel);
        }
    }

    private static void Pack(GemmOperand from, bool depthIsContiguous, int lanes, long depth, float* panel, int width)
    {
        if (depthIsContiguous)
        {
            GemmPacking.PackContiguousDepth(from.Data, from.Stride, lanes, depth, panel, width);
        }
        else
        {
            GemmPacking.PackContiguousLanes(from.Data, from.Stride, lanes, depth, panel, width);
        }
    }

    /// <summary>
    /// Computes one tile of C from the packed panels of its columns; if <paramref name="inPlace"/>, only a last,
    /// narrower panel is packed and the others are read from B itself.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyTile(GemmProblem tile, bool inPlace, float* packedB)
    {
        long blocks = Blocks(tile.K, MaxDepth);
        long blockDepth = Blocks(tile.K, blocks);
        float* packedA = GemmScratch.A(Blocks(tile.M, RowsOfPanel) * RowsOfPanel * blockDepth);
        for (long p = 0; p < tile.K; p += blockDepth)
        {
            long depth = Math.Min(blockDepth, tile.K - p);
            PackA(tile, p, depth, packedA);
            MultiplyBlock(tile, p, depth, packedA, inPlace, packedB, tile.Accumulate || p > 0);
        }
    }

    private static void PackA(GemmProblem tile, long firstDepth, long depth, float* packed)
    {
        GemmOperand block = tile.A.FromColumn(firstDepth);
        for (long row = 0; row < tile.M; row += RowsOfPanel)
        {
            int lanes = (int)Math.Min(RowsOfPanel, tile.M - row);
            GemmOperand lane = block.FromRow(row);
            Pack(lane, !lane.Transposed, lanes, depth, packed + (row * depth), PanelRows(lanes));
        }
    }

    // A last panel that half the rows suffice for is packed, and computed, at half the height.
    private static int PanelRows(long rowsLeft) =>
        rowsLeft <= GemmKernel<TSimd, TVector>.HalfRows ? GemmKernel<TSimd, TVector>.HalfRows : RowsOfPanel;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyBlock(
        GemmProblem tile,
        long firstDepth,
        long depth,
        float* packedA,
        bool inPlace,
        float* packedB,
        bool accumulate)
    {
        float* edge = stackalloc float[RowsOfPanel * ColumnsOfPanel];
        for (long column = 0; column < tile.N; column += ColumnsOfPanel)
        {
            long columns = Math.Min(ColumnsOfPanel, tile.N - column);
            GemmOperand panel = inPlace && columns == ColumnsOfPanel
                ? tile.B.FromColumn(column)
                : new GemmOperand(packedB + (column * tile.K), ColumnsOfPanel);
            float* b = panel.FromRow(firstDepth).Data;
            for (long row = 0; row < tile.M; row += RowsOfPanel)
            {
                float* a = packedA + (row * depth);
                float* c = tile.C + (row * tile.CStride) + column;
                long rows = Math.Min(RowsOfPanel, tile.M - row);
                int height = PanelRows(rows);
                if (rows == height && columns == ColumnsOfPanel)
                {
                    GemmKernel<TSimd, TVector>.Run(height, depth, a, b, panel.Stride, c, tile.CStride, accumulate);
                }
                else
                {
                    GemmKernel<TSimd, TVector>.Run(height, depth, a, b, panel.Stride, edge, ColumnsOfPanel, false);
                    MergeEdge(edge, rows, columns, c, tile.CStride, accumulate);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MergeEdge(float* edge, long rows, long columns, float* c, long cStride, bool accumulate)
    {
        for (long row = 0; row < rows; row++)
        {
            long column = 0;
            for (; column + TSimd.Width <= columns; column += TSimd.Width)
            {
                TVector value = TSimd.Load(edge + column);
                TSimd.Store(c + column, accumulate ? TSimd.Add(TSimd.Load(c + column), value) : value);
            }

            for (; column < columns; column++)
            {
                c[column] = accumulate ? c[column] + edge[column] : edge[column];
            }

            edge += ColumnsOfPanel;
            c += cStride;
        }
    }
}
