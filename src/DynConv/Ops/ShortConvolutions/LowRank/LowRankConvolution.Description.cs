namespace DynConv.Ops;

public static partial class LowRankConvolution
{
    /// <inheritdoc cref="StaticConvolution.Description"/>
    public static OpDescription Description { get; } = new(
        "lowrank",
        [
            ConvolutionDescription.X,
            new("z", "[B, T, R]") { IsReadBackward = true },
            new("u", "[R, W*D]") { IsParameter = true, IsReadBackward = true },
            ConvolutionDescription.StaticWeight,
            ConvolutionDescription.InitialState, ConvolutionDescription.Bias,
        ],
        ConvolutionDescription.Results,
        static call => ConvolutionDescription.Run(
            call,
            options => Apply(call["x"], call["z"], call["u"], call.Find("static_w"), options),
            options => ApplyWithState(call["x"], call["z"], call["u"], call.Find("static_w"), options)))
    {
        Operations = static sizes => ConvolutionDescription.Operations(sizes, filterTerms: sizes["R"]),
        CpuSizes = OpSizes.Parse("B=4 T=1024 D=1024 R=16 W=4"),
        CudaSizes = OpSizes.Parse("B=4 T=4096 D=2048 R=16 W=4"),
    };
}
