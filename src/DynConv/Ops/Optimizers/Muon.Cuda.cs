using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class Muon
{
    private const string Source = "muon.cu";

    private static readonly (DType Type, int Vector)[] Examples =
        [(DType.Float32, ElementLaunch.Narrow), (DType.Float32, ElementLaunch.Single), (DType.BFloat16, ElementLaunch.Narrow)];

    private static readonly KernelTable<(DType Type, int Vector)> MomentumTable = new(Source, "muon_momentum", Macros, Examples);

    private static readonly KernelTable<(DType Type, int Vector)> NormalizeTable = new(Source, "muon_normalize", Macros, Examples);

    private static readonly KernelTable<(DType Type, int Vector)> UpdateTable = new(Source, "muon_update", Macros, Examples);

    private static void StepCuda(
        Tensor parameter, Tensor gradient, Tensor momentum, int steps, Factors factors, Tensor? gradientScale)
    {
        Tensor direction = Tensor.Empty(parameter.Shape, DType.BFloat16, parameter.Device);
        ElementLaunch.Run(
            vector => MomentumTable[parameter.Device, (gradient.DType, vector)],
            [gradient, momentum, direction],
            KernelArgument.Of(in factors),
            gradientScale,
            gradient,
            momentum,
            direction);
        Tensor orthogonal = Iterate(direction, steps);
        ElementLaunch.Run(
            vector => UpdateTable[parameter.Device, (DType.BFloat16, vector)],
            [parameter, orthogonal],
            KernelArgument.Of(in factors),
            gradientScale,
            parameter,
            orthogonal);
    }

    private static void NormalizeCuda(Tensor x, Tensor squaredNorm) => ElementLaunch.Run(
        vector => NormalizeTable[x.Device, (x.DType, vector)], [x], x, squaredNorm, LeastNorm, (float)Stretch);

    private static (string Name, object Value)[] Macros((DType Type, int Vector) key) =>
        [("TYPE", key.Type.CudaName()), .. ElementLaunch.Macros(key.Vector)];
}
