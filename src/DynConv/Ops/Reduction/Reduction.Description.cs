namespace DynConv.Ops;

public static partial class Reduction
{
    /// <summary><see cref="Sum(Tensor)"/> as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription SumDescription { get; } = new(
        "sum",
        [new("x", "[N, D]") { SharesGradient = true }],
        [new("y", "[]") { IsFloat32 = true }],
        static call => [Sum(call["x"])])
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };

    /// <summary>
    /// <see cref="Sum(Tensor, int, bool)"/> as tests, conformance vectors and the benchmark run it; settings:
    /// <c>dimension</c>.
    /// </summary>
    public static OpDescription SumAlongDescription { get; } = new(
        "sum_along",
        [new("x", "[N, D]") { SharesGradient = true }],
        [new("y", "[D]")],
        static call => [Sum(call["x"], (int)call.Number("dimension", 0))])
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };
}
