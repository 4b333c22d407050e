using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>How kernels cut up states and heads: the macros of ssd.cuh.</summary>
/// <param name="Type">Of x, b and c.</param>
/// <param name="Columns">Channels of a head that a block takes at a time.</param>
/// <param name="Vector">Elements of x, y and their gradients that are aligned.</param>
/// <param name="RowVector">The same of b and c.</param>
internal readonly record struct SsdTiles(DType Type, int Columns, int Vector, int RowVector)
{
    /// <summary>Of all kernels.</summary>
    public const int Threads = 128;

    /// <summary>Heads of a block that adds up what heads of a group share.</summary>
    public const int HeadsTogether = 8;

    private const int Rows = StateSpaceDuality.ChunkTokens;
    private const int FewestColumns = 16;
    private const int MostColumns = 64;
    private const int MostFloatColumns = 32;
    private const int AccessBytes = 16;
    private const int FloatPadding = 4;
    private const int HalfPadding = 8;

    /// <summary>Bytes of a tile as wide as a chunk has tokens.</summary>
    public int SquareBytes => TileBytes(Rows);

    /// <summary>Bytes of a tile of some channels.</summary>
    public int ColumnBytes => TileBytes(Columns);

    /// <summary>The tiles that suit a call.</summary>
    /// <param name="shape">Its sizes.</param>
    /// <param name="heads">Its tensors of heads, channels side by side.</param>
    /// <param name="groups">Its tensors of groups.</param>
    public static SsdTiles For(SsdShape shape, ReadOnlySpan<Tensor> heads, ReadOnlySpan<Tensor> groups)
    {
        DType type = heads[0].DType;
        int columns = FewestColumns;
        int most = type == DType.Float32 ? MostFloatColumns : MostColumns;
        while (columns < most && columns < shape.HeadSize)
        {
            columns *= 2;
        }

        return new SsdTiles(type, columns, VectorOf(heads), VectorOf(groups));
    }

    /// <summary>Of columns so narrow that there are that many blocks, if it can be: each for a piece of a state.</summary>
    public SsdTiles Narrowed(SsdShape shape, int blocks)
    {
        SsdTiles tiles = this;
        while (tiles.Columns > FewestColumns && tiles.StateBlocks(shape) < blocks)
        {
            tiles = tiles with { Columns = tiles.Columns / 2 };
        }

        return tiles;
    }

    /// <summary>Blocks that share out the states of all sequences and heads.</summary>
    public long StateBlocks(SsdShape shape) => shape.Sequences.Count * shape.Heads * HeadPieces(shape) * StatePieces(shape);

    public static (string Name, object Value)[] Macros(SsdTiles tiles) =>
        [("ELEMENT", tiles.Type.CudaName()), ("COLUMNS", tiles.Columns), ("VECTOR", tiles.Vector), ("ROW_VECTOR", tiles.RowVector)];

    public static (string Name, object Value)[] MacrosWithHeads(SsdTiles tiles) => [.. Macros(tiles), ("HEADS", HeadsTogether)];

    /// <summary>Pieces of the channels of a head; one at least, since heads without channels have gradients of their steps.</summary>
    public long HeadPieces(SsdShape shape) => Math.Max(1, (shape.HeadSize + Columns - 1) / Columns);

    public static long StatePieces(SsdShape shape) => (shape.StateSize + Rows - 1) / Rows;

    /// <summary>Parts of what heads of a group share.</summary>
    public static long Parts(SsdShape shape) => (shape.HeadsAGroup + HeadsTogether - 1) / HeadsTogether;

    private static int VectorOf(ReadOnlySpan<Tensor> tensors)
    {
        int vector = AccessBytes / tensors[0].DType.SizeInBytes();
        foreach (Tensor tensor in tensors)
        {
            if (tensor.Shape[3] % vector != 0 || !CudaHeads.AreAligned(tensor))
            {
                return 1;
            }
        }

        return vector;
    }

    private int TileBytes(int columns) =>
        Rows * (columns + (Type == DType.Float32 ? FloatPadding : HalfPadding)) * Type.SizeInBytes();
}
