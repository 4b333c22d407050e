using DynConv.Cuda;

namespace DynConv;

internal static partial class StridedCopy
{
    private const string Source = "strided_copy.cu";

    private static readonly KernelTable<(DType Source, DType Target, int Vector)> CopyKernel = new(
        Source,
        "strided_copy",
        Macros,
        (DType.Float32, DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.BFloat16, DType.Float32, ElementLaunch.Narrow),
        (DType.Float32, DType.BFloat16, ElementLaunch.Single));

    private static readonly KernelTable<(DType Source, DType Target, int Vector)> AddKernel = new(
        Source,
        "strided_add",
        Macros,
        (DType.Float32, DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.Float32, DType.BFloat16, ElementLaunch.Single));

    private static readonly KernelTable<(DType Source, DType Target, int Vector)> ClearKernel = new(
        Source,
        "strided_clear",
        Macros,
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.Float32, DType.Float32, ElementLaunch.Single));

    private static readonly KernelTable<(DType Source, DType Target, int Vector)> FindNonFiniteKernel = new(
        Source,
        "find_non_finite",
        Macros,
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.Float32, DType.Float32, ElementLaunch.Wide));

    private static void CopyCuda(Tensor source, Tensor destination)
    {
        if (!ShiftedCopy.Run(source, destination, adds: false))
        {
            ElementLaunch.Run(
                vector => CopyKernel[source.Device, (source.DType, destination.DType, vector)],
                [source, destination],
                source,
                destination);
        }
    }

    private static void AddCuda(Tensor source, Tensor destination)
    {
        if (!ShiftedCopy.Run(source, destination, adds: true))
        {
            ElementLaunch.Run(
                vector => AddKernel[source.Device, (source.DType, destination.DType, vector)],
                [source, destination],
                source,
                destination);
        }
    }

    private static void ClearCuda(Tensor destination) => ElementLaunch.Run(
        vector => ClearKernel[destination.Device, (destination.DType, destination.DType, vector)], [destination], destination);

    private static bool IsFiniteCuda(Tensor tensor)
    {
        using var scope = new TensorScope();
        Tensor found = Tensor.Zeros([1], DType.Int32, tensor.Device);
        ElementLaunch.Run(
            vector => FindNonFiniteKernel[tensor.Device, (tensor.DType, tensor.DType, vector)], [tensor], tensor, found);
        return found.ToArray<int>()[0] == 0;
    }

    private static (string Name, object Value)[] Macros((DType Source, DType Target, int Vector) key) =>
        [("SOURCE", Name(key.Source)), ("TARGET", Name(key.Target)), .. ElementLaunch.Macros(key.Vector)];

    // Whole numbers only move, which they do as floats of the same bits.
    private static string Name(DType dtype) => dtype == DType.BFloat16 ? "bf16" : "float";
}
