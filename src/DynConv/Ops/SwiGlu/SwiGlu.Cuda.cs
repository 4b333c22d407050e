using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class SwiGlu
{
    private static readonly (DType Type, int Vector)[] Examples =
        [(DType.Float32, ElementLaunch.Wide), (DType.BFloat16, ElementLaunch.Narrow), (DType.BFloat16, ElementLaunch.Single)];

    private static readonly KernelTable<(DType Type, int Vector)> ForwardTable = new(
        "swiglu.cu", "swiglu_forward", Macros, Examples);

    private static readonly KernelTable<(DType Type, int Vector)> BackwardTable = new(
        "swiglu.cu", "swiglu_backward", Macros, Examples);

    private static void ForwardCuda(Tensor gate, Tensor up, Tensor y) =>
        ElementLaunch.Run(vector => ForwardTable[y.Device, (y.DType, vector)], [gate, up, y], gate, up, y);

    private static void BackwardCuda(Tensor dy, Tensor gate, Tensor up, GradientRows dgate, GradientRows dup) =>
        ElementLaunch.Run(
            vector => BackwardTable[dy.Device, (dy.DType, vector)],
            [dy, gate, up, dgate.Tensor ?? gate, dup.Tensor ?? up],
            dy,
            gate,
            up,
            dgate.Tensor,
            dup.Tensor,
            dgate.Accumulate ? 1 : 0,
            dup.Accumulate ? 1 : 0);

    private static (string Name, object Value)[] Macros((DType Type, int Vector) key) =>
        [("TYPE", key.Type.CudaName()), .. ElementLaunch.Macros(key.Vector)];
}
