using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class Square
{
    private static readonly (DType Type, int Vector)[] Examples =
        [(DType.Float32, ElementLaunch.Wide), (DType.BFloat16, ElementLaunch.Narrow), (DType.BFloat16, ElementLaunch.Single)];

    private static readonly KernelTable<(DType Type, int Vector)> ForwardTable = new(
        "square.cu", "square_forward", Macros, Examples);

    private static readonly KernelTable<(DType Type, int Vector)> BackwardTable = new(
        "square.cu", "square_backward", Macros, Examples);

    private static void ForwardCuda(Tensor x, Tensor y) =>
        ElementLaunch.Run(vector => ForwardTable[y.Device, (y.DType, vector)], [x, y], x, y);

    private static void BackwardCuda(Tensor x, Tensor dy, Tensor dx, bool accumulate) =>
        ElementLaunch.Run(vector => BackwardTable[dx.Device, (dx.DType, vector)], [x, dy, dx], x, dy, dx, accumulate ? 1 : 0);

    private static (string Name, object Value)[] Macros((DType Type, int Vector) key) =>
        [("TYPE", key.Type.CudaName()), .. ElementLaunch.Macros(key.Vector)];
}
