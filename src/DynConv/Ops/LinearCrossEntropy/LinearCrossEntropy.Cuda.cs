using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class LinearCrossEntropy
{
    private const int Threads = 256;

    private static readonly (DType Values, DType Sum, int Vector)[] Examples =
    [
        (DType.Float32, DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.Float32, DType.BFloat16, ElementLaunch.Single),
    ];

    private static readonly KernelTable<(DType Values, DType Sum, int Vector)> AddScaledTable = new(
        "add_scaled.cu", "add_scaled", Macros, Examples);

    private static readonly KernelTable<(DType Values, DType Sum, int Vector)> ScaleTable = new(
        "add_scaled.cu", "scale_in_place", Macros, Examples);

    private static void AddScaledCuda(Tensor values, Tensor factor, Tensor sum, bool accumulate)
    {
        if (ReferenceEquals(values, sum))
        {
            ScaleCuda(values, factor);
            return;
        }

        ElementLaunch.Run(
            vector => AddScaledTable[sum.Device, (values.DType, sum.DType, vector)],
            [values, sum],
            values,
            sum,
            factor,
            accumulate ? 1 : 0);
    }

    /// <summary>For contiguous values.</summary>
    private static void ScaleCuda(Tensor values, Tensor factor)
    {
        if (values.Count == 0)
        {
            return;
        }

        int widest = ElementLaunch.VectorOf(RowWalk.OverElements(values), [values]);
        int vector = values.Count % widest == 0 ? widest : ElementLaunch.Single;
        long chunks = values.Count / vector;
        CudaKernel kernel = ScaleTable[values.Device, (values.DType, values.DType, vector)];
        long resident = kernel.ResidentBlocks(Threads);
        kernel.Launch(new CudaGrid(Math.Min(resident, (chunks + Threads - 1) / Threads), Threads), values, chunks, factor);
    }

    private static (string Name, object Value)[] Macros((DType Values, DType Sum, int Vector) key) =>
        [("VALUE", key.Values.CudaName()), ("SUM", key.Sum.CudaName()), .. ElementLaunch.Macros(key.Vector)];
}
