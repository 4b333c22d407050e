namespace DynConv.Ops;

public static partial class RmsNormalization
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it; settings: <c>eps</c>.</summary>
    public static OpDescription Description { get; } = new(
        "rms_norm",
        [new("x", "[N, D]") { IsReadBackward = true }, new("weight", "[D]") { IsParameter = true, IsReadBackward = true }],
        [new("y", "[N, D]")],
        static call => [Apply(call["x"], call["weight"], (float)call.Number("eps", 1e-5))])
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };

    /// <summary><see cref="ApplyToSum"/> as tests, conformance vectors and the benchmark run it; settings: <c>eps</c>.</summary>
    public static OpDescription SumDescription { get; } = new(
        "add_rms_norm",
        [
            new("x", "[N, D]"),
            new("added", "[N, D]") { SharesGradient = true },
            new("weight", "[D]") { IsParameter = true, IsReadBackward = true },
        ],
        [new("sum", "[N, D]") { IsReadBackward = true }, new("y", "[N, D]")],
        static call =>
        {
            (Tensor sum, Tensor y) = ApplyToSum(call["x"], call["added"], call["weight"], (float)call.Number("eps", 1e-5));
            return [sum, y];
        })
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };
}
