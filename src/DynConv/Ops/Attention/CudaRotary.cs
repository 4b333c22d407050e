using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Rotary position embeddings as kernels see them: <c>Rotary</c> of attention_wgmma.cuh.</summary>
/// <param name="Angles">Address of the angles of position 0, or of those of each row's first token; null if there are none.</param>
/// <param name="Positions">Address of the position of each token, or null.</param>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("attention_wgmma.cuh", "Rotary")]
internal readonly record struct CudaRotary(nint Angles, nint Positions)
{
    public static CudaRotary Of(RopeAngles? angles) => angles is not { } of
        ? default
        : new(of.Table.Address + (nint)(of.Position * of.Table.Shape[1] * of.Table.Shape[2] * sizeof(float)), of.Positions?.Address ?? 0);
}
