using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary><c>DeltaShape</c> of gated_delta.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("gated_delta.cuh", "DeltaShape")]
internal readonly record struct CudaDeltaShape(
    nint Bounds, long Sequences, long Time, int KeyHeads, int ValueHeads, int KeySize, int ValueSize, float Scale)
{
    public static CudaDeltaShape Of(GatedDeltaShape shape, Device device) => new(
        shape.Sequences.Packed?.On(device).Bounds.Address ?? 0,
        shape.Sequences.Count,
        shape.Sequences.Time,
        checked((int)shape.KeyHeads),
        checked((int)shape.ValueHeads),
        checked((int)shape.KeySize),
        checked((int)shape.ValueSize),
        shape.Scale);
}

/// <summary><c>DeltaGradients</c> of gated_delta_backward.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("gated_delta_backward.cu", "DeltaGradients")]
internal readonly struct CudaDeltaGradients(Tensor dq, Tensor dk, Tensor dv, Tensor dg, Tensor dbeta, Tensor? dInitial)
{
    [CudaField("dq")]
    private readonly nint _q = dq.Address;

    [CudaField("dk")]
    private readonly nint _k = dk.Address;

    [CudaField("dv")]
    private readonly nint _v = dv.Address;

    [CudaField("dg")]
    private readonly nint _g = dg.Address;

    [CudaField("dbeta")]
    private readonly nint _beta = dbeta.Address;

    [CudaField("dinitial")]
    private readonly nint _initial = dInitial?.Address ?? 0;
}
