namespace DynConv.Ops;

public static partial class Functions
{
    /// <summary>The functions as tests, conformance vectors and the benchmark run them.</summary>
    public static IReadOnlyList<OpDescription> Descriptions { get; } =
    [
        Describe(Function.Exp),
        Describe(Function.Log),
        Describe(Function.Sqrt),
        Describe(Function.Tanh),
        Describe(Function.Sigmoid),
        Describe(Function.Relu),
        Describe(Function.Silu),
        Describe(Function.Softplus),
        Describe(Function.Gelu),
    ];

    private static OpDescription Describe(Function function) => new(
        Name(function),
        [new("x", "[N, D]") { IsReadBackward = !KeepsResult(function) }],
        [new("y", "[N, D]") { IsReadBackward = KeepsResult(function) }],
        call => [Apply(function, call["x"])])
    {
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };
}
