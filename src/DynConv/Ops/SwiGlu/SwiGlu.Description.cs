namespace DynConv.Ops;

public static partial class SwiGlu
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription Description { get; } = new(
        "swiglu",
        [new("gate", "[N, F]") { IsReadBackward = true }, new("up", "[N, F]") { IsReadBackward = true }],
        [new("y", "[N, F]")],
        static call => [Apply(call["gate"], call["up"])])
    {
        CpuSizes = OpSizes.Parse("N=1024 F=2752"),
        CudaSizes = OpSizes.Parse("N=16384 F=2752"),
    };
}
