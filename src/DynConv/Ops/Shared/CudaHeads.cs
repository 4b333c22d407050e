using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>
/// A <c>[B, T, H, K]</c> or <c>[B, T, H]</c> tensor as kernels see it: <c>HeadRows</c> of heads.cuh. Null becomes a null address.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("heads.cuh", "HeadRows<float>")]
internal readonly record struct CudaHeads(nint Start, long Batch, long Time, long Head)
{
    private const int Alignment = 16;

    public static CudaHeads Of(Tensor? tensor) => tensor is null
        ? default
        : new(tensor.Address, tensor.Strides[0], tensor.Strides[1], tensor.Strides[2]);

    /// <summary>Whether every row of channels starts at a multiple of 16 bytes.</summary>
    public static bool AreAligned(Tensor tensor)
    {
        int size = tensor.DType.SizeInBytes();
        bool aligned = tensor.Address % Alignment == 0;
        for (int i = 0; i < tensor.Rank - 1; i++)
        {
            aligned &= tensor.Shape[i] == 1 || tensor.Strides[i] * size % Alignment == 0;
        }

        return aligned;
    }

    /// <summary>
    /// The tensor itself if its channels lie side by side and, where asked for, rows are aligned to 16 bytes; else a
    /// contiguous copy.
    /// </summary>
    public static Tensor Rows(Tensor tensor, bool aligned)
    {
        Tensor rows = RowLayout.Of(tensor);
        return !aligned || AreAligned(rows) ? rows : rows.Clone();
    }
}
