using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv;

/// <summary>
/// Where the rows of a <see cref="RowWalk"/> begin, as kernels take it: <c>RowStrides</c> of row_strides.cuh.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("row_strides.cuh", "RowStrides")]
internal unsafe struct RowStrides
{
    /// <summary>How many tensors a kernel can walk together.</summary>
    public const int MostTensors = 5;

    private const int MostOuter = 6;

    private long _outer;
    private fixed long _dimensions[MostOuter];
    private fixed long _strides[MostTensors * MostOuter];
    private fixed long _inner[MostTensors];

    /// <summary>The rows of a walk.</summary>
    /// <param name="walk">Over at most <see cref="MostTensors"/> tensors.</param>
    /// <exception cref="DynConvException">More dimensions are left, after merging, than kernels can walk.</exception>
    public RowStrides(RowWalk walk)
    {
        if (walk.OuterDimensions.Length > MostOuter)
        {
            throw new DynConvException(
                $"Kernels walk at most {MostOuter + 1} dimensions that lie apart, not {walk.OuterDimensions.Length + 1}.");
        }

        _outer = walk.OuterDimensions.Length;
        for (int t = 0; t < walk.Tensors; t++)
        {
            _inner[t] = walk.InnerStride(t);
            for (int d = 0; d < _outer; d++)
            {
                _dimensions[d] = walk.OuterDimensions[d];
                _strides[(t * MostOuter) + d] = walk.OuterStride(d, t);
            }
        }
    }
}
