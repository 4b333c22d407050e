using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary><c>SsdShape</c> of ssd.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("ssd.cuh", "SsdShape")]
internal readonly record struct CudaSsdShape(
    nint Bounds, long Sequences, long Time, int Heads, int Groups, int HeadSize, int StateSize)
{
    public static CudaSsdShape Of(SsdShape shape, Device device) => new(
        shape.Sequences.Packed?.On(device).Bounds.Address ?? 0,
        shape.Sequences.Count,
        shape.Sequences.Time,
        checked((int)shape.Heads),
        checked((int)shape.Groups),
        checked((int)shape.HeadSize),
        checked((int)shape.StateSize));
}

/// <summary><c>SsdTokenGradients</c> of ssd_backward_tokens.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("ssd_backward_tokens.cu", "SsdTokenGradients")]
internal readonly struct CudaSsdTokenGradients(Tensor dx, Tensor ddt, Tensor da, Tensor dd, Tensor dscores)
{
    [CudaField("dx")]
    private readonly nint _x = dx.Address;

    [CudaField("ddt")]
    private readonly nint _dt = ddt.Address;

    [CudaField("da")]
    private readonly nint _a = da.Address;

    [CudaField("dd")]
    private readonly nint _d = dd.Address;

    [CudaField("dscores")]
    private readonly nint _scores = dscores.Address;
}

/// <summary><c>SsdGroupGradients</c> of ssd_backward_groups.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("ssd_backward_groups.cu", "SsdGroupGradients")]
internal readonly struct CudaSsdGroupGradients(Tensor db, Tensor dc, Tensor ddt, Tensor da)
{
    [CudaField("db")]
    private readonly nint _b = db.Address;

    [CudaField("dc")]
    private readonly nint _c = dc.Address;

    [CudaField("ddt")]
    private readonly nint _dt = ddt.Address;

    [CudaField("da")]
    private readonly nint _a = da.Address;
}

/// <summary><c>SsdChain</c> of ssd_states.cu; the default is none.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("ssd_states.cu", "SsdChain")]
internal readonly struct CudaSsdChain(CudaHeads rows, CudaHeads columns, Tensor? from, Tensor? to, Tensor states)
{
    private readonly CudaHeads _rows = rows;
    private readonly CudaHeads _columns = columns;
    private readonly nint _from = from?.Address ?? 0;
    private readonly nint _to = to?.Address ?? 0;
    private readonly nint _states = states.Address;
}
