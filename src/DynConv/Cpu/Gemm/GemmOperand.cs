namespace DynConv.Cpu;

/// <summary>A factor of a matrix product in memory.</summary>
/// <param name="data">Its first element.</param>
/// <param name="stride">
/// Elements from one row to the next; if <paramref name="transposed"/>, from one column to the next. At least the
/// length of what it steps over.
/// </param>
/// <param name="transposed">Whether columns, and not rows, lie in one piece.</param>
internal readonly unsafe struct GemmOperand(float* data, long stride, bool transposed = false)
{
    public float* Data => data;

    public long Stride => stride;

    public bool Transposed => transposed;

    /// <summary>The same memory read as the transposed matrix.</summary>
    public GemmOperand Transpose() => new(data, stride, !transposed);

    /// <summary>The matrix without its first rows.</summary>
    public GemmOperand FromRow(long row) => new(data + (row * (transposed ? 1 : stride)), stride, transposed);

    /// <summary>The matrix without its first columns.</summary>
    public GemmOperand FromColumn(long column) => new(data + (column * (transposed ? stride : 1)), stride, transposed);
}
