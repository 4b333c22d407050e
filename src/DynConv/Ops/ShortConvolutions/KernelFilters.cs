using System.Runtime.InteropServices;

namespace DynConv.Ops;

/// <summary><c>Filters</c> of head_wise_convolution.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct KernelFilters(Tensor? heads, Tensor? constant, long channels)
{
    private readonly KernelRows _heads = new(heads);
    private readonly nint _constant = constant?.Address ?? 0;
    private readonly long _constantStride = constant?.Strides[0] ?? 0;
    private readonly long _headSize = heads is null ? 1 : channels / heads.Shape[2];
}
