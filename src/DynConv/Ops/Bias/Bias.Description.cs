namespace DynConv.Ops;

public static partial class Bias
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription Description { get; } = new(
        "bias",
        [new("x", "[N, D]") { SharesGradient = true }, new("bias", "[D]") { IsParameter = true }],
        [new("y", "[N, D]")],
        static call => [Add(call["x"], call["bias"])])
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };
}
