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

    // A tile of A this high and a block deep takes 96 KiB of the second-level cache; lower ones, where there would be too
    // few for all threads, use each panel of B fewer times.
    private const long MaxTileRows = 96;
    private const long MinTileRows = 24;
    private const long WantedTiles = 24;

    // A narrower tile would be over too soon after its rows of A are packed.
    private const long MinTileColumns = 256;

    // Rows up to which packing a plain B takes longer than reading it from where it is.
    private const long MaxUnpackedRows = 24;

    // Columns of B are packed in groups of panels: rows of B are read in long pieces, and the groups keep all threads busy.
    private const long PanelsOfPackTile = 8;

    // Elements of B that are packed at a time, and how deep they reach: these bound the memory that a huge B takes.
    private const long MaxPackedB = 1L << 22;
    private const long MaxPackedDepth = 1L << 11;

    private static int RowsOfPanel => GemmKernel<TSimd, TVector>.Rows;

    private static int ColumnsOfPanel => GemmKernel<TSimd, TVector>.Columns;

    public static void Multiply(GemmProblem problem)
    {
        long depth = Blocks(problem.K, Blocks(problem.K, MaxPackedDepth));
        long columns = Math.Max(MinTileColumns, MaxPackedB / depth / ColumnsOfPanel * ColumnsOfPanel);
        for (long column = 0; column < problem.N; column += columns)
        {
            GemmProblem part = problem.Tile(0, problem.M, column, Math.Min(columns, problem.N - column));
            for (long start = 0; start < problem.K; start += depth)
            {
                MultiplyPart(part.Depth(start, Math.Min(depth, problem.K - start)));
            }
        }
    }

    private static void MultiplyPart(GemmProblem problem)
    {
        long panels = Blocks(problem.N, ColumnsOfPanel);
        float* packed = GemmScratch.B(panels * ColumnsOfPanel * problem.K);
        bool inPlace = !problem.B.Transposed && problem.M <= MaxUnpackedRows;

        // The kernel reads whole panels: a narrower last one is packed all the same.
        long firstPacked = inPlace ? problem.N / ColumnsOfPanel : 0;

        if (problem.IsSmall)
        {
            PackB(problem, firstPacked, panels, 0, problem.K, packed);
            MultiplyTile(problem, inPlace, packed);
        }
        else
        {
            MultiplyOnAllThreads(problem, firstPacked, panels, inPlace, packed);
        }
    }

    // Apart from the way of small products, which would otherwise pay for the closures too.
    private static void MultiplyOnAllThreads(
        GemmProblem problem, long firstPacked, long panels, bool inPlace, float* packed)
    {
        (long tileRows, long tileColumns) = TileSize(problem.M, problem.N);
        long rowTiles = Blocks(problem.M, tileRows);
        long columnTiles = Blocks(problem.N, tileColumns);
        long packTiles = Blocks(panels - firstPacked, PanelsOfPackTile);
        Workers.For(packTiles * Blocks(problem.K, MaxDepth), tile =>
        {
            (long depth, long columns) = Math.DivRem(tile, packTiles);
            long firstPanel = firstPacked + (columns * PanelsOfPackTile);
            PackB(
                problem,
                firstPanel,
                Math.Min(panels, firstPanel + PanelsOfPackTile),
                depth * MaxDepth,
                Math.Min(problem.K, (depth + 1) * MaxDepth),
                packed);
        });
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

    private static (long Rows, long Columns) TileSize(long m, long n)
    {
        long columnTiles = Math.Clamp(WantedTiles / Blocks(m, MaxTileRows), 1, Math.Max(1, n / MinTileColumns));
        long rowTiles = Blocks(WantedTiles, columnTiles);
        long rows = Blocks(m, rowTiles * RowsOfPanel) * RowsOfPanel;
        long columns = Blocks(n, columnTiles * ColumnsOfPanel) * ColumnsOfPanel;
        return (Math.Clamp(rows, MinTileRows, MaxTileRows), columns);
    }

    private static long Blocks(long length, long block) => (length + block - 1) / block;

    private static void PackB(
        GemmProblem problem, long firstPanel, long endPanel, long firstDepth, long endDepth, float* packed)
    {
        long column = firstPanel * ColumnsOfPanel;
        GemmOperand from = problem.B.FromColumn(column).FromRow(firstDepth);
        Pack(
            from,
            from.Transposed,
            Math.Min(problem.N, endPanel * ColumnsOfPanel) - column,
            endDepth - firstDepth,
            packed + (column * problem.K) + (firstDepth * ColumnsOfPanel),
            problem.K * ColumnsOfPanel,
            ColumnsOfPanel);
    }

    private static void PackA(GemmProblem tile, long firstDepth, long depth, float* packed)
    {
        GemmOperand from = tile.A.FromColumn(firstDepth);
        Pack(from, !from.Transposed, tile.M, depth, packed, depth * RowsOfPanel, RowsOfPanel);
    }

    private static void Pack(
        GemmOperand from, bool depthIsContiguous, long lanes, long depth, float* packed, long panelStride, int width)
    {
        if (depthIsContiguous)
        {
            GemmPacking.PackContiguousDepth(from.Data, from.Stride, lanes, depth, packed, panelStride, width);
        }
        else
        {
            GemmPacking.PackContiguousLanes<TSimd, TVector>(
                from.Data, from.Stride, lanes, depth, packed, panelStride, width);
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

    // A last panel that half the rows suffice for is computed at half the height.
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
