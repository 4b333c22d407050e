using System.Runtime.InteropServices;

namespace DynConv.Ops;

/// <summary><c>StaticPart</c> of low_rank_filters.cuh: the static part s and the residual.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct KernelStaticPart(Tensor? s, bool residual)
{
    private readonly nint _s = s?.Address ?? 0;
    private readonly long _stride = s?.Strides[0] ?? 0;
    private readonly long _residual = residual ? 1 : 0;
}
