using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class ConvolutionState
{
    private const int Threads = 256;

    private static readonly ConvolutionTypes[] Examples =
    [
        new(DType.Float32, DType.Float32, DType.Float32, 2),
        new(DType.BFloat16, DType.Float32, DType.BFloat16, 4),
        new(DType.BFloat16, DType.BFloat16, DType.Float32, 16),
    ];

    private static readonly KernelTable<ConvolutionTypes> FinalKernel = new(
        "convolution_state.cu", "final_state", KernelTokenFilters.Macros, Examples);

    private static readonly KernelTable<ConvolutionTypes> FinalGradientKernel = new(
        "convolution_state.cu", "final_state_gradient", KernelTokenFilters.Macros, Examples);

    private static readonly KernelTable<ConvolutionTypes> InitialGradientKernel = new(
        "convolution_state.cu", "initial_state_gradient", KernelTokenFilters.Macros, Examples);

    /// <summary>The gradient of the initial state of a convolution of any kind; what its kind does not have is null.</summary>
    internal static void AddInitialGradient(
        ConvolutionInputs inputs, Tensor? heads, Tensor? z, Tensor? u, Tensor dy, in GradientRows dState)
    {
        if (dState.Tensor is not { Count: > 0 } to)
        {
            return;
        }

        var filters = new KernelTokenFilters(inputs, heads, z, u);
        var upstream = new KernelRows(dy);
        var state = new KernelRows(to);
        var sequences = new KernelSequences(inputs.Sequences, to.Device);
        InitialGradientKernel[to.Device, ConvolutionTypes.Of(inputs, u)].Launch(
            CudaGrid.Covering(to.Count, Threads),
            KernelArgument.Of(in filters),
            KernelArgument.Of(in upstream),
            KernelArgument.Of(in state),
            KernelArgument.Of(in sequences),
            dState.Accumulate ? 1 : 0);
    }

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
        FinalKernel[final.Device, ConvolutionTypes.Of(inputs, null)].Launch(
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
        FinalGradientKernel[dFinal.Device, ConvolutionTypes.Of(inputs, null)].Launch(
            CudaGrid.Covering(dFinal.Count, Threads),
            KernelArgument.Of(in last),
            KernelArgument.Of(in toX),
            KernelArgument.Of(in toState),
            KernelArgument.Of(in sequences),
            inputs.Channels);
    }
}
