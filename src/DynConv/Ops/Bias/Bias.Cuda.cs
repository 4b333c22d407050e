using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class Bias
{
    private const int Threads = 256;
    private const int Warp = 32;
    private const int RowsAtATime = Threads / Warp;

    private static readonly KernelTable<(DType Type, DType Bias, int Vector)> ForwardTable = new(
        "bias.cu",
        "bias_forward",
        Macros,
        (DType.Float32, DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, DType.Float32, ElementLaunch.Narrow),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Single));

    private static readonly KernelTable<(DType Type, int Vector)> GradientTable = new(
        "bias_gradient.cu",
        "bias_gradient",
        key => [("TYPE", key.Type.CudaName()), ("VECTOR", key.Vector)],
        (DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, ElementLaunch.Narrow),
        (DType.BFloat16, ElementLaunch.Single));

    private static void ForwardCuda(Tensor x, Tensor bias, Tensor y) => ElementLaunch.Run(
        vector => ForwardTable[y.Device, (y.DType, bias.DType, vector)], [x, bias, y], x, bias, y);

    private static Tensor PartialsCuda(Tensor dy)
    {
        var walk = RowWalk.OverRows(dy);
        int vector = ElementLaunch.VectorOf(walk, [dy]);
        vector = walk.Length % vector == 0 ? vector : ElementLaunch.Single;
        CudaKernel kernel = GradientTable[dy.Device, (dy.DType, vector)];

        // As many blocks as run at once, so that there are no more partial sums than it takes to keep the card busy.
        long columns = (walk.Length + (Warp * vector) - 1) / (Warp * vector);
        long resident = dy.Device.Context.Multiprocessors * (long)kernel.MaximumBlocksPerMultiprocessor(Threads);
        long parts = Math.Min((resident + columns - 1) / columns, (walk.Rows + RowsAtATime - 1) / RowsAtATime);
        Tensor partials = Tensor.Empty([parts, walk.Length], DType.Float32, dy.Device);
        if (parts > 0)
        {
            var layout = new RowStrides(walk);
            kernel.Launch(
                new CudaGrid((columns, parts, 1), Threads),
                KernelArgument.Of(in layout),
                walk.Rows,
                walk.Length,
                dy,
                partials);
        }

        return partials;
    }

    private static (string Name, object Value)[] Macros((DType Type, DType Bias, int Vector) key) =>
        [("TYPE", key.Type.CudaName()), ("BIAS", key.Bias.CudaName()), .. ElementLaunch.Macros(key.Vector)];
}
