using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class LinearCrossEntropy
{
    private static readonly KernelTable<(DType Values, DType Sum, int Vector)> AddScaledTable = new(
        "add_scaled.cu",
        "add_scaled",
        key => [("VALUE", key.Values.CudaName()), ("SUM", key.Sum.CudaName()), .. ElementLaunch.Macros(key.Vector)],
        (DType.Float32, DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.Float32, DType.BFloat16, ElementLaunch.Single));

    private static void AddScaledCuda(Tensor values, Tensor factor, Tensor sum, bool accumulate) => ElementLaunch.Run(
        vector => AddScaledTable[sum.Device, (values.DType, sum.DType, vector)],
        [values, sum],
        values,
        sum,
        factor,
        accumulate ? 1 : 0,
        ReferenceEquals(values, sum) ? 1 : 0);
}
