namespace DynConv.Ops;

public static partial class CrossEntropy
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it; settings: <c>ignore_index</c>.</summary>
    public static OpDescription Description { get; } = new(
        "cross_entropy",
        [new("logits", "[N, V]") { IsReadBackward = true }, new("targets", "[N]") { IntegersBelow = "V", IsReadBackward = true }],
        [new("y", "[]") { IsFloat32 = true }],
        static call => [Mean(call["logits"], call["targets"], (int)call.Number("ignore_index", DefaultIgnoreIndex))])
    {
        CpuSizes = OpSizes.Parse("N=512 V=32000"),
        CudaSizes = OpSizes.Parse("N=4096 V=32000"),
    };
}
