namespace DynConv.Ops;

public static partial class Elementwise
{
    private static readonly OpSizes OnCpu = OpSizes.Parse("N=4096 D=1024");
    private static readonly OpSizes OnCuda = OpSizes.Parse("N=16384 D=2048");

    /// <summary><see cref="Add(Tensor, Tensor)"/> as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription AddDescription { get; } = new(
        "add",
        [new("a", "[N, D]") { SharesGradient = true }, new("b", "[N, D]") { SharesGradient = true }],
        [new("y", "[N, D]")],
        static call => [Add(call["a"], call["b"])])
    {
        CpuSizes = OnCpu,
        CudaSizes = OnCuda,
    };

    /// <summary><see cref="Subtract"/> as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription SubtractDescription { get; } = new(
        "subtract",
        [new("a", "[N, D]") { SharesGradient = true }, new("b", "[N, D]")],
        [new("y", "[N, D]")],
        static call => [Subtract(call["a"], call["b"])])
    {
        CpuSizes = OnCpu,
        CudaSizes = OnCuda,
    };

    /// <summary><see cref="Divide"/> as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription DivideDescription { get; } = new(
        "divide",
        [new("a", "[N, D]"), new("b", "[N, D]") { IsReadBackward = true }],
        [new("y", "[N, D]") { IsReadBackward = true }],
        static call => [Divide(call["a"], call["b"])])
    {
        CpuSizes = OnCpu,
        CudaSizes = OnCuda,
    };

    /// <summary><see cref="Multiply"/> as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription MultiplyDescription { get; } = new(
        "multiply",
        [new("a", "[N, D]") { IsReadBackward = true }, new("b", "[N, D]") { IsReadBackward = true }],
        [new("y", "[N, D]")],
        static call => [Multiply(call["a"], call["b"])])
    {
        CpuSizes = OnCpu,
        CudaSizes = OnCuda,
    };

    /// <summary><see cref="Scale"/> as tests, conformance vectors and the benchmark run it; settings: <c>factor</c>.</summary>
    public static OpDescription ScaleDescription { get; } = new(
        "scale",
        [new("x", "[N, D]")],
        [new("y", "[N, D]")],
        static call => [Scale(call["x"], (float)call.Number("factor", -1.5))])
    {
        CpuSizes = OnCpu,
        CudaSizes = OnCuda,
    };
}
