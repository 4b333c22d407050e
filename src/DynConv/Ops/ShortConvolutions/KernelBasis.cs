using System.Runtime.InteropServices;

namespace DynConv.Ops;

/// <summary><c>Basis</c> of low_rank_filters.cuh: the learned filters U.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct KernelBasis(Tensor u)
{
    private readonly nint _u = u.Address;
    private readonly long _stride = u.Strides[0];
    private readonly long _rank = u.Shape[0];
}
