using System.Runtime.InteropServices;

namespace DynConv.Ops;

/// <summary><c>PartialSums</c> of low_rank_sums.cu: parts of a gradient and where their sum goes. The default is nothing to do.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct KernelPartialSums
{
    private readonly nint _partials;
    private readonly nint _to;
    private readonly long _parts;
    private readonly long _rows;
    private readonly long _width;
    private readonly long _columns;
    private readonly long _rowsOfBatch;
    private readonly long _batchStride;
    private readonly long _rowStride;
    private readonly int _isFloat;
    private readonly int _accumulate;

    /// <param name="partials">float32 <c>[parts, rows, width]</c>; of a row as many elements count as the gradient has.</param>
    /// <param name="to">Where they go: <c>[rows, columns]</c> or <c>[batch, rows of it, columns]</c>.</param>
    /// <param name="accumulate">Whether the sums are added to what is there.</param>
    public KernelPartialSums(Tensor partials, Tensor to, bool accumulate)
    {
        _partials = partials.Address;
        _to = to.Address;
        (_parts, _rows, _width) = (partials.Shape[0], partials.Shape[1], partials.Shape[2]);
        _columns = to.Shape[^1];
        _rowsOfBatch = to.Shape[^2];
        _batchStride = to.Rank > 2 ? to.Strides[0] : 0;
        _rowStride = to.Strides[^2];
        _isFloat = to.DType == DType.Float32 ? 1 : 0;
        _accumulate = accumulate ? 1 : 0;
    }

    public long Elements => _rows * _width;

    public long Width => _width;
}
