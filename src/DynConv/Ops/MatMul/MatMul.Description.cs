namespace DynConv.Ops;

public static partial class MatMul
{
    /// <summary><see cref="Linear"/> as tests, conformance vectors and the benchmark run it.</summary>
    public static OpDescription LinearDescription { get; } = new(
        "linear",
        [new("x", "[N, K]") { IsReadBackward = true }, new("weight", "[M, K]") { IsParameter = true, IsReadBackward = true }],
        [new("y", "[N, M]")],
        static call => [Linear(call["x"], call["weight"])])
    {
        Operations = static sizes =>
        {
            double product = 2.0 * sizes["N"] * sizes["M"] * sizes["K"];
            return new PassCosts(product, 2 * product);
        },
        CpuSizes = OpSizes.Parse("N=1024 M=1024 K=1024"),
        CudaSizes = OpSizes.Parse("N=16384 M=2048 K=2048"),
    };

    /// <summary>
    /// <see cref="Batched"/> as tests, conformance vectors and the benchmark run it; settings: <c>transpose_a</c>,
    /// <c>transpose_b</c>, with which the dimensions of that matrix are exchanged.
    /// </summary>
    public static OpDescription BatchedDescription { get; } = new(
        "batched",
        [new("a", "[B, M, K]") { IsReadBackward = true }, new("b", "[B, K, N]") { IsReadBackward = true }],
        [new("y", "[B, M, N]")],
        static call => [Batched(call["a"], call["b"], call.Flag("transpose_a"), call.Flag("transpose_b"))])
    {
        Operations = static sizes =>
        {
            double product = 2.0 * sizes["B"] * sizes["M"] * sizes["N"] * sizes["K"];
            return new PassCosts(product, 2 * product);
        },
        CpuSizes = OpSizes.Parse("B=16 M=256 N=256 K=256"),
        CudaSizes = OpSizes.Parse("B=64 M=1024 N=1024 K=1024"),
    };
}
