using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class AdamW
{
    private static readonly KernelTable<(DType Gradient, int Vector)> StepTable = new(
        "adamw.cu",
        "adamw_step",
        key => [("GRADIENT", key.Gradient.CudaName()), .. ElementLaunch.Macros(key.Vector)],
        (DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, ElementLaunch.Narrow),
        (DType.Float32, ElementLaunch.Single));

    private static void StepCuda(
        Tensor parameter, Tensor gradient, Tensor firstMoment, Tensor secondMoment, Factors factors, Tensor? gradientScale) =>
        ElementLaunch.Run(
            vector => StepTable[parameter.Device, (gradient.DType, vector)],
            [parameter, gradient, firstMoment, secondMoment],
            KernelArgument.Of(in factors),
            gradientScale,
            parameter,
            gradient,
            firstMoment,
            secondMoment);
}
