namespace DynConv.Ops;

public static partial class Attention
{
    // Scores and mixture: two products of 2 K operations for each of T (T + 1) / 2 pairs of tokens. Backwards: the scores
    // again and four products for the gradients.
    private const double ForwardProducts = 2;
    private const double BackwardProducts = 5;

    /// <summary>The op as tests, conformance vectors and the benchmark run it; settings: <c>scale</c>, <c>cu_seqlens</c>.</summary>
    public static OpDescription Description { get; } = new(
        "attention",
        [
            new("q", "[B, T, H, K]") { IsReadBackward = true },
            new("k", "[B, S, G, K]") { IsReadBackward = true },
            new("v", "[B, S, G, K]") { IsReadBackward = true },
        ],
        [new("y", "[B, T, H, K]") { IsReadBackward = true }],
        static call =>
        {
            double scale = call.Number("scale", double.NaN);
            var options = new AttentionOptions { Scale = double.IsNaN(scale) ? null : (float)scale, Packed = call.Packed() };
            return [Causal(call["q"], call["k"], call["v"], options)];
        })
    {
        Operations = static sizes =>
        {
            double pairs = sizes["T"] * ((2.0 * sizes["S"]) - sizes["T"] + 1) / 2;
            double product = 2 * pairs * sizes["B"] * sizes["H"] * sizes["K"];
            return new PassCosts(ForwardProducts * product, BackwardProducts * product);
        },
        CpuSizes = OpSizes.Parse("B=1 T=1024 S=1024 H=16 G=16 K=64"),
        CudaSizes = OpSizes.Parse("B=4 T=4096 S=4096 H=16 G=16 K=128"),
    };
}
