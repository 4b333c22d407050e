using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class Bias
{
    private static readonly KernelTable<(DType Type, DType Bias, int Vector)> ForwardTable = new(
        "bias.cu",
        "bias_forward",
        Macros,
        (DType.Float32, DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, DType.Float32, ElementLaunch.Narrow),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Single));

    private static void ForwardCuda(Tensor x, Tensor bias, Tensor y) => ElementLaunch.Run(
        vector => ForwardTable[y.Device, (y.DType, bias.DType, vector)], [x, bias, y], x, bias, y);

    private static (string Name, object Value)[] Macros((DType Type, DType Bias, int Vector) key) =>
        [("TYPE", key.Type.CudaName()), ("BIAS", key.Bias.CudaName()), .. ElementLaunch.Macros(key.Vector)];
}
