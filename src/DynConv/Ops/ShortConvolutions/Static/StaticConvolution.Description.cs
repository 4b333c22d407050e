namespace DynConv.Ops;

public static partial class StaticConvolution
{
    /// <summary>
    /// The op as tests, conformance vectors and the benchmark run it; settings: <c>residual</c>, <c>final_state</c>,
    /// <c>cu_seqlens</c>.
    /// </summary>
    public static OpDescription Description { get; } = new(
        "static",
        [ConvolutionDescription.X, ConvolutionDescription.StaticWeight with { IsOptional = false }, ConvolutionDescription.InitialState, ConvolutionDescription.Bias],
        ConvolutionDescription.Results,
        static call => ConvolutionDescription.Run(
            call,
            options => Apply(call["x"], call["static_w"], options),
            options => ApplyWithState(call["x"], call["static_w"], options)))
    {
        Operations = static sizes => ConvolutionDescription.Operations(sizes, filterTerms: 0),
        CpuSizes = OpSizes.Parse("B=4 T=1024 D=1024 W=4"),
        CudaSizes = OpSizes.Parse("B=4 T=4096 D=2048 W=4"),
    };
}
