using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class Elementwise
{
    private const string Source = "elementwise.cu";

    private static readonly (DType Type, int Vector)[] Examples =
        [(DType.Float32, ElementLaunch.Wide), (DType.BFloat16, ElementLaunch.Narrow), (DType.BFloat16, ElementLaunch.Single)];

    private static readonly KernelTable<(DType Type, int Vector)> AddTable = new(Source, "elementwise_add", Macros, Examples);

    private static readonly KernelTable<(DType Type, int Vector)> MultiplyTable = new(
        Source, "elementwise_multiply", Macros, Examples);

    private static readonly KernelTable<(DType Type, int Vector)> DivideTable = new(
        Source, "elementwise_divide", Macros, Examples);

    private static readonly KernelTable<(DType Type, int Vector)> ScaleTable = new(
        Source, "elementwise_scale", Macros, Examples);

    private static void AddCuda(Tensor a, Tensor b, Tensor sum, float factor) =>
        ElementLaunch.Run(vector => AddTable[sum.Device, (sum.DType, vector)], [a, b, sum], a, b, sum, factor);

    private static void MultiplyCuda(Tensor a, Tensor b, Tensor product, bool accumulate) => ElementLaunch.Run(
        vector => MultiplyTable[a.Device, (a.DType, vector)], [a, b, product], a, b, product, accumulate ? 1 : 0);

    private static void DivideCuda(Tensor a, Tensor b, Tensor quotient, bool accumulate) => ElementLaunch.Run(
        vector => DivideTable[a.Device, (a.DType, vector)], [a, b, quotient], a, b, quotient, accumulate ? 1 : 0);

    private static void ScaleCuda(Tensor x, float factor, float offset, Tensor scaled, bool accumulate) => ElementLaunch.Run(
        vector => ScaleTable[x.Device, (x.DType, vector)], [x, scaled], x, scaled, factor, offset, accumulate ? 1 : 0);

    private static (string Name, object Value)[] Macros((DType Type, int Vector) key) =>
        [("TYPE", key.Type.CudaName()), .. ElementLaunch.Macros(key.Vector)];
}
