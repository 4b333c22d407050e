namespace DynConv.Ops;

public static partial class Softmax
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription Description { get; } = new(
        Op,
        [new("x", "[N, D]")],
        [new("y", "[N, D]") { IsReadBackward = true }],
        static call => [Apply(call["x"], (int)call.Number("dimension", -1))])
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };
}
