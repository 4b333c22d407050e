namespace DynConv.Ops;

public static partial class L2Normalization
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it; settings: <c>eps</c>.</summary>
    public static OpDescription Description { get; } = new(
        Op,
        [new("x", "[N, D]") { IsReadBackward = true }],
        [new("y", "[N, D]")],
        static call => [Apply(call["x"], (float)call.Number("eps", 1e-6))])
    {
        CpuSizes = OpSizes.Parse("N=16384 D=256"),
        CudaSizes = OpSizes.Parse("N=65536 D=256"),
    };
}
