using System.Runtime.CompilerServices;

namespace DynConv;

/// <summary>
/// Walks tensors of one shape row by row, whatever their strides. A row is the innermost dimension; dimensions that
/// follow one another in every tensor count as one.
/// </summary>
/// <remarks>
/// Work is cut into blocks of about <see cref="BlockElements"/> elements: several short rows or a piece of a long one.
/// The cut depends on shapes and strides alone.
/// </remarks>
internal sealed class RowWalk
{
    /// <summary>Elements that one block covers: enough to be worth a thread's while, small enough to spread.</summary>
    public const long BlockElements = 1 << 15;

    private readonly long[] _dimensions;
    private readonly long[][] _strides;
    private readonly long[] _innerStrides;
    private readonly long _piecesPerRow;

    private RowWalk(ReadOnlySpan<Tensor> tensors, bool keepInnermost)
    {
        var dimensions = new List<long>();
        var strides = new List<long[]>();
        Shape shape = tensors[0].Shape;
        for (int i = 0; i < shape.Rank; i++)
        {
            bool separate = keepInnermost && i == shape.Rank - 1;
            if (shape[i] == 1 && !separate)
            {
                continue;
            }

            long[] next = StridesOf(tensors, i);
            if (!separate && dimensions.Count > 0 && Follows(strides[^1], next, shape[i]))
            {
                dimensions[^1] *= shape[i];
                strides[^1] = next;
            }
            else
            {
                dimensions.Add(shape[i]);
                strides.Add(next);
            }
        }

        (Length, _innerStrides) = dimensions.Count == 0 ? (1, new long[tensors.Length]) : (dimensions[^1], strides[^1]);
        _dimensions = [.. dimensions.SkipLast(1)];
        _strides = [.. strides.SkipLast(1)];
        Rows = Length == 0 ? 0 : _dimensions.Aggregate(1L, (product, dimension) => product * dimension);
        IsDense = Length == 1 || _innerStrides.All(stride => stride == 1);
        RowsPerBlock = Math.Max(1, BlockElements / Math.Max(1, Length));
        _piecesPerRow = Math.Max(1, (Length + BlockElements - 1) / BlockElements);
        Blocks = (Rows + RowsPerBlock - 1) / RowsPerBlock * _piecesPerRow;
    }

    /// <summary>Number of rows.</summary>
    public long Rows { get; }

    /// <summary>Elements in a row.</summary>
    public long Length { get; }

    /// <summary>Whole rows that fit a block; 1 where a row is longer than that.</summary>
    public long RowsPerBlock { get; }

    /// <summary>Number of blocks.</summary>
    public long Blocks { get; }

    /// <summary>Whether the elements of a row lie one after the other in every tensor.</summary>
    public bool IsDense { get; }

    /// <summary>A walk whose rows are as long as the strides allow: for ops that take each element by itself.</summary>
    public static RowWalk OverElements(params ReadOnlySpan<Tensor> tensors) => new(tensors, keepInnermost: false);

    /// <summary>A walk whose rows are the innermost dimension: for ops that treat [..., D] as rows of D.</summary>
    public static RowWalk OverRows(params ReadOnlySpan<Tensor> tensors) => new(tensors, keepInnermost: true);

    /// <summary>The dimensions that the rows lie in, outermost first.</summary>
    public ReadOnlySpan<long> OuterDimensions => _dimensions;

    /// <summary>How many tensors are walked together.</summary>
    public int Tensors => _innerStrides.Length;

    /// <summary>Distance of neighbours in one of <see cref="OuterDimensions"/>.</summary>
    public long OuterStride(int dimension, int tensor) => _strides[dimension][tensor];

    /// <summary>Distance of neighbours in a row of one tensor.</summary>
    public long InnerStride(int tensor) => _innerStrides[tensor];

    /// <summary>Where a row begins in one tensor, in elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Offset(int tensor, long row)
    {
        long offset = 0;
        for (int i = _dimensions.Length - 1; i > 0; i--)
        {
            (row, long index) = Math.DivRem(row, _dimensions[i]);
            offset += index * _strides[i][tensor];
        }

        return _dimensions.Length == 0 ? 0 : offset + (row * _strides[0][tensor]);
    }

    /// <summary>Rows [FirstRow, EndRow) and, in each of them, elements [Start, Start + Length).</summary>
    public (long FirstRow, long EndRow, long Start, long Length) Block(long block)
    {
        if (_piecesPerRow == 1)
        {
            long first = block * RowsPerBlock;
            return (first, Math.Min(Rows, first + RowsPerBlock), 0, Length);
        }

        (long row, long piece) = Math.DivRem(block, _piecesPerRow);
        long start = piece * BlockElements;
        return (row, row + 1, start, Math.Min(BlockElements, Length - start));
    }

    private static long[] StridesOf(ReadOnlySpan<Tensor> tensors, int dimension)
    {
        var strides = new long[tensors.Length];
        for (int t = 0; t < tensors.Length; t++)
        {
            strides[t] = tensors[t].Strides[dimension];
        }

        return strides;
    }

    private static bool Follows(long[] outer, long[] inner, long dimension)
    {
        for (int t = 0; t < outer.Length; t++)
        {
            if (outer[t] != inner[t] * dimension)
            {
                return false;
            }
        }

        return true;
    }
}
