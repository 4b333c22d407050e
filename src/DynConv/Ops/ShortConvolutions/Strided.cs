namespace DynConv.Ops;

/// <summary>Rows that lie a fixed number of elements apart: <c>First + i * Stride</c>. The stride may be negative.</summary>
internal readonly unsafe record struct Strided(nint Address, long Stride)
{
    public Strided(float* first, long stride)
        : this((nint)first, stride)
    {
    }

    public float* First => (float*)Address;

    /// <summary>The rows from one on.</summary>
    public Strided From(long row) => new(this[row], Stride);

    /// <summary>The first rows in reverse order.</summary>
    public Strided Reverse(long rows) => new(this[rows - 1], -Stride);

    public float* this[long row] => First + (row * Stride);
}
