using System.Runtime.InteropServices;

namespace DynConv.Cuda;

/// <summary>
/// Describes a tensor to kernels that copy boxes of it to shared memory: <c>TensorMap</c> of warpgroup.cuh. Compute capability 9.0.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("warpgroup.cuh", "TensorMap")]
internal unsafe struct CudaTensorMap
{
    private const int Rank = 4;
    private const int WordCount = 16;
    private const int Alignment = 64;
    private const int BFloat16 = 9;
    private const int Swizzle128 = 3;
    private const int Promote256 = 3;

    /// <summary>Columns of a box: 128 bytes, in which pieces of 16 change places.</summary>
    private const int BoxColumns = 64;

    private fixed ulong _words[WordCount];

    /// <summary>Boxes of so many rows of a head, and of 64 of its channels; what lies outside of the tensor is zero.</summary>
    /// <param name="heads">bfloat16 <c>[B, T, H, K]</c>, channels side by side, rows at multiples of 16 bytes, none of them twice.</param>
    /// <param name="rows">Rows of a box.</param>
    public static CudaTensorMap OfHeads(Tensor heads, int rows)
    {
        ulong* sizes = stackalloc ulong[Rank] { Size(heads, 3), Size(heads, 1), Size(heads, 2), Size(heads, 0) };
        ulong* strides = stackalloc ulong[Rank - 1] { Stride(heads, 1), Stride(heads, 2), Stride(heads, 0) };
        uint* box = stackalloc uint[Rank] { BoxColumns, (uint)rows, 1, 1 };
        uint* steps = stackalloc uint[Rank] { 1, 1, 1, 1 };
        byte* memory = stackalloc byte[sizeof(CudaTensorMap) + Alignment];
        var map = (CudaTensorMap*)(((nint)memory + Alignment - 1) / Alignment * Alignment);
        heads.Device.Context.MakeCurrent();
        CudaDriver.Check(
            CudaDriver.cuTensorMapEncodeTiled(
                map, BFloat16, Rank, (void*)heads.Address, sizes, strides, box, steps, interleave: 0, Swizzle128, Promote256, fill: 0),
            $"describing a tensor of shape {heads.Shape}");
        return *map;
    }

    private static ulong Size(Tensor heads, int dimension) => (ulong)heads.Shape[dimension];

    /// <summary>In bytes; where there is one step only, its length means nothing, but has to be a valid one.</summary>
    private static ulong Stride(Tensor heads, int dimension) =>
        heads.Shape[dimension] == 1 ? 16 : (ulong)(heads.Strides[dimension] * sizeof(ushort));
}
