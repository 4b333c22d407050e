namespace DynConv.Ops;

public static partial class HeadWiseConvolution
{
    /// <inheritdoc cref="StaticConvolution.Description"/>
    public static OpDescription Description { get; } = new(
        "headwise",
        [
            ConvolutionDescription.X,
            new("weight", "[B, T, H, W]") { IsReadBackward = true },
            ConvolutionDescription.StaticWeight,
            ConvolutionDescription.InitialState, ConvolutionDescription.Bias,
        ],
        ConvolutionDescription.Results,
        static call => ConvolutionDescription.Run(
            call,
            options => Apply(call["x"], call["weight"], call.Find("static_w"), options),
            options => ApplyWithState(call["x"], call["weight"], call.Find("static_w"), options)))
    {
        Operations = static sizes => ConvolutionDescription.Operations(sizes, filterTerms: 0),
        CpuSizes = OpSizes.Parse("B=4 T=1024 D=1024 H=64 W=4"),
        CudaSizes = OpSizes.Parse("B=4 T=4096 D=2048 H=128 W=4"),
    };
}
