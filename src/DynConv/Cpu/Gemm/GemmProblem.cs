namespace DynConv.Cpu;

/// <summary><c>C[M, N] = A[M, K] B[K, N]</c>, or <c>C += A B</c> if <paramref name="accumulate"/>.</summary>
/// <remarks>Without <paramref name="accumulate"/>, C is only written: whatever was there, NaN too, has no effect.</remarks>
internal readonly unsafe struct GemmProblem(
    long m, long n, long k, GemmOperand a, GemmOperand b, float* c, long cStride, bool accumulate)
{
    public long M => m;

    public long N => n;

    public long K => k;

    public GemmOperand A => a;

    public GemmOperand B => b;

    public float* C => c;

    /// <summary>Elements from one row of C to the next.</summary>
    public long CStride => cStride;

    public bool Accumulate => accumulate;

    /// <summary>Whether waking other threads costs more than they save.</summary>
    public bool IsSmall => (double)m * n * k < 1 << 18;

    /// <summary>The part of the product that makes some rows and columns of C.</summary>
    public GemmProblem Tile(long row, long rows, long column, long columns) => new(
        rows, columns, k, a.FromRow(row), b.FromColumn(column), c + (row * cStride) + column, cStride, accumulate);

    /// <summary>The part of the product that a stretch of the depth contributes; all but the first one add to C.</summary>
    public GemmProblem Depth(long start, long length) => new(
        m, n, length, a.FromColumn(start), b.FromRow(start), c, cStride, accumulate || start > 0);
}
