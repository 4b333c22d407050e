namespace DynConv.Ops;

public static partial class Square
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription Description { get; } = new(
        "square",
        [new("x", "[N, D]") { IsReadBackward = true }],
        [new("y", "[N, D]")],
        static call => [Apply(call["x"])])
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };
}
