using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class Functions
{
    private static readonly (DType Type, int Vector)[] Examples =
        [(DType.Float32, ElementLaunch.Wide), (DType.BFloat16, ElementLaunch.Narrow), (DType.BFloat16, ElementLaunch.Single)];

    private static readonly KernelTable<(DType Type, int Vector)> ForwardTable = new(
        "functions.cu", "functions_forward", Macros, Examples);

    private static readonly KernelTable<(DType Type, int Vector)> BackwardTable = new(
        "functions.cu", "functions_backward", Macros, Examples);

    private static void ForwardCuda(Function function, Tensor x, Tensor y) =>
        ElementLaunch.Run(vector => ForwardTable[x.Device, (x.DType, vector)], [x, y], x, y, (int)function);

    private static void BackwardCuda(Function function, Tensor dy, Tensor kept, Tensor dx, bool accumulate) => ElementLaunch.Run(
        vector => BackwardTable[dx.Device, (dx.DType, vector)],
        [dy, kept, dx],
        dy,
        kept,
        dx,
        (int)function,
        accumulate ? 1 : 0);

    private static (string Name, object Value)[] Macros((DType Type, int Vector) key) =>
        [("TYPE", key.Type.CudaName()), .. ElementLaunch.Macros(key.Vector)];
}
