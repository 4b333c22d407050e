using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class Softmax
{
    private const int Threads = 256;

    private static readonly KernelTable<DType> ForwardTable = new(
        "softmax.cu", "softmax_forward", Macros, DType.Float32, DType.BFloat16);

    private static readonly KernelTable<DType> BackwardTable = new(
        "softmax.cu", "softmax_backward", Macros, DType.Float32, DType.BFloat16);

    private static void ForwardCuda(Tensor x, Tensor y)
    {
        var walk = RowWalk.OverRows(x, y);
        if (y.Count > 0)
        {
            var layout = new RowStrides(walk);
            ForwardTable[y.Device, y.DType].Launch(
                new CudaGrid(walk.Rows, Threads), KernelArgument.Of(in layout), walk.Length, x, y);
        }
    }

    private static void BackwardCuda(Tensor dy, Tensor y, Tensor dx, bool accumulate)
    {
        var walk = RowWalk.OverRows(dy, y, dx);
        if (y.Count > 0)
        {
            var layout = new RowStrides(walk);
            BackwardTable[y.Device, y.DType].Launch(
                new CudaGrid(walk.Rows, Threads), KernelArgument.Of(in layout), walk.Length, dy, y, dx, accumulate ? 1 : 0);
        }
    }

    private static (string Name, object Value)[] Macros(DType type) => [("TYPE", type.CudaName()), ("THREADS", Threads)];
}
