namespace DynConv.Ops;

public static partial class EmbeddingLookup
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it; settings: <c>dtype</c> of the result.</summary>
    public static OpDescription Description { get; } = new(
        "embedding",
        [new("weight", "[V, D]") { IsParameter = true }, new("ids", "[N]") { IntegersBelow = "V", IsReadBackward = true }],
        [new("y", "[N, D]")],
        static call => [Apply(call["weight"], call["ids"], call.Text("dtype") == DType.BFloat16.Name() ? DType.BFloat16 : null)])
    {
        ElementsRead = static sizes => Math.Min(sizes["N"], sizes["V"]) * sizes["D"],
        CpuSizes = OpSizes.Parse("V=32000 N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("V=32000 N=16384 D=2048"),
    };
}
