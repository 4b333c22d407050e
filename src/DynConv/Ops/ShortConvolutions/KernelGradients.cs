using System.Runtime.InteropServices;

namespace DynConv.Ops;

/// <summary><c>Gradients</c> of head_wise_backward.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct KernelGradients(Tensor dy, GradientRows x, GradientRows heads, Tensor? staticPartials)
{
    private readonly KernelRows _y = new(dy);
    private readonly KernelRows _x = new(x.Tensor);
    private readonly KernelRows _heads = new(heads.Tensor);
    private readonly nint _staticPartials = staticPartials?.Address ?? 0;
    private readonly int _accumulateX = x.Accumulate ? 1 : 0;
    private readonly int _accumulateHeads = heads.Accumulate ? 1 : 0;
}
