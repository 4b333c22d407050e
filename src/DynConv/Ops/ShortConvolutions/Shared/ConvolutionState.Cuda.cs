using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class ConvolutionState
{
    private const int Threads = 256;

    private static readonly KernelTable<(DType Type, int Width)> FinalKernel = new(
        "convolution_state.cu", "final_state", Macros, (DType.Float32, 2), (DType.BFloat16, 4));

    private static readonly KernelTable<(DType Type, int Width)> FinalGradientKernel = new(
        "convolution_state.cu", "final_state_gradient", Macros, (DType.Float32, 2), (DType.BFloat16, 4));

    private static void FinalCuda(ConvolutionInputs inputs, Tensor final)
    {
        if (final.Count == 0)
        {
            return;
        }

        var x = new KernelRows(inputs.X);
        var state = new KernelRows(inputs.InitialState);
        var last = new KernelRows(final);
        var sequences = new KernelSequences(inputs.Sequences, final.Device);
        FinalKernel[final.Device, (final.DType, inputs.Width)].Launch(
            CudaGrid.Covering(final.Count, Threads),
            KernelArgument.Of(in x),
            KernelArgument.Of(in state),
            KernelArgument.Of(in last),
            KernelArgument.Of(in sequences),
            inputs.Channels);
    }

    private static void FinalBackwardCuda(ConvolutionInputs inputs, Tensor dFinal, Tensor? dx, Tensor? dState)
    {
        if (dFinal.Count == 0)
        {
            return;
        }

        var last = new KernelRows(dFinal);
        var toX = new KernelRows(dx);
        var toState = new KernelRows(dState);
        var sequences = new KernelSequences(inputs.Sequences, dFinal.Device);
        FinalGradientKernel[dFinal.Device, (dFinal.DType, inputs.Width)].Launch(
            CudaGrid.Covering(dFinal.Count, Threads),
            KernelArgument.Of(in last),
            KernelArgument.Of(in toX),
            KernelArgument.Of(in toState),
            KernelArgument.Of(in sequences),
            inputs.Channels);
    }

    private static (string Name, object Value)[] Macros((DType Type, int Width) key) =>
        [("ELEMENT", key.Type.CudaName()), ("WIDTH", key.Width)];
}
