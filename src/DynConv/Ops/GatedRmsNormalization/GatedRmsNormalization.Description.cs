namespace DynConv.Ops;

public static partial class GatedRmsNormalization
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it; settings: <c>eps</c>, <c>gate_first</c>.</summary>
    public static OpDescription Description { get; } = new(
        Op,
        [
            new("x", "[N, D]") { IsReadBackward = true },
            new("gate", "[N, D]") { IsReadBackward = true },
            new("weight", "[D]") { IsParameter = true, IsReadBackward = true },
        ],
        [new("y", "[N, D]")],
        static call => [Apply(call["x"], call["gate"], call["weight"], (float)call.Number("eps", 1e-5), call.Flag("gate_first"))])
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=1024"),
    };
}
