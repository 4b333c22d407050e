namespace DynConv.Ops;

public static partial class LinearCrossEntropy
{
    /// <summary>
    /// The op as tests, conformance vectors and the benchmark run it; settings: <c>ignore_index</c>, <c>chunk_rows</c>, the rows of
    /// logits that exist at a time.
    /// </summary>
    public static OpDescription Description { get; } = new(
        Op,
        [
            new("hidden", "[N, K]") { IsReadBackward = true },
            new("weight", "[V, K]") { IsParameter = true, IsReadBackward = true },
            new("targets", "[N]") { IntegersBelow = "V", IsReadBackward = true },
        ],
        [new("y", "[]") { IsFloat32 = true }],
        static call => [Mean(call["hidden"], call["weight"], call["targets"], IgnoreIndex(call), ChunkRows(call))])
    {
        Operations = static sizes =>
        {
            double product = 2.0 * sizes["N"] * sizes["V"] * sizes["K"];
            return new PassCosts(product, 2 * product);
        },
        CpuSizes = OpSizes.Parse("N=2048 V=8192 K=256"),
        CudaSizes = OpSizes.Parse("N=16384 V=100352 K=1024"),
    };

    private static int IgnoreIndex(OpCall call) => (int)call.Number("ignore_index", CrossEntropy.DefaultIgnoreIndex);

    private static long? ChunkRows(OpCall call) => call.Text("chunk_rows") is null ? null : (long)call.Number("chunk_rows");
}
