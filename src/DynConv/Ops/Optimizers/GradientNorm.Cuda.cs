using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class GradientNorm
{
    private static readonly KernelTable<ValueTuple> ClipScaleTable = new(
        "clip_scale.cu", "clip_scale", _ => [], default(ValueTuple));

    private static void ClipScaleCuda(Tensor squaredSum, float maximumNorm, float scale, Tensor factor) =>
        ClipScaleTable[factor.Device, default].Launch(new CudaGrid(1, 1), squaredSum, maximumNorm, scale, factor);
}
