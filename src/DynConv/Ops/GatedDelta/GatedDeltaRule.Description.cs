namespace DynConv.Ops;

public static partial class GatedDeltaRule
{
    // For each token and value head three products of a chunk with the state and, of the chunk's tokens with one another, one
    // product over K and one over V, each for half of the pairs; a triangular system over V takes as much as the last.
    private const double StateProducts = 3;
    private const double KeyProducts = 2;
    private const double ValueProducts = 2;

    // Backwards, what the forward pass did but for what it read from the state, and two products for each of all.
    private const double BackwardFactor = 3;

    /// <summary>
    /// The op as tests, conformance vectors and the benchmark run it; settings: <c>scale</c>, <c>final_state</c>,
    /// <c>cu_seqlens</c>.
    /// </summary>
    public static OpDescription Description { get; } = new(
        Op,
        [
            new("q", "[B, T, H, K]") { IsReadBackward = true },
            new("k", "[B, T, H, K]") { IsReadBackward = true, OfNormal = static x => x / 16 },
            new("v", "[B, T, Hv, V]") { IsReadBackward = true },
            new("g", "[B, T, Hv]") { IsReadBackward = true, IsFloat32 = true, OfNormal = static x => -MathF.Abs(x) / 8 },
            new("beta", "[B, T, Hv]") { IsReadBackward = true, IsFloat32 = true, OfNormal = static x => 1 / (1 + MathF.Exp(-x)) },
            new("initial_state", "[B, Hv, K, V]") { IsReadBackward = true, IsFloat32 = true, IsOptional = true },
        ],
        [
            new("y", "[B, T, Hv, V]"),
            new("final_state", "[B, Hv, K, V]") { IsFloat32 = true, IsOptional = true },
        ],
        static call =>
        {
            double scale = call.Number("scale", double.NaN);
            var options = new GatedDeltaRuleOptions
            {
                Scale = double.IsNaN(scale) ? null : (float)scale,
                InitialState = call.Find("initial_state"),
                Packed = call.Packed(),
            };
            (Tensor q, Tensor k, Tensor v, Tensor g, Tensor beta) = (call["q"], call["k"], call["v"], call["g"], call["beta"]);
            if (!call.Flag("final_state"))
            {
                return [Apply(q, k, v, g, beta, options)];
            }

            (Tensor y, Tensor final) = ApplyWithState(q, k, v, g, beta, options);
            return [y, final];
        })
    {
        Operations = static sizes =>
        {
            (double k, double v) = (sizes["K"], sizes["V"]);
            double pairs = ((KeyProducts * k) + (ValueProducts * v)) * ChunkTokens / 2;
            double forward = 2.0 * sizes["B"] * sizes["T"] * sizes["Hv"] * ((StateProducts * k * v) + pairs);
            return new PassCosts(forward, BackwardFactor * forward);
        },
        CpuSizes = OpSizes.Parse("B=1 T=1024 H=4 Hv=4 K=64 V=128"),
        CudaSizes = OpSizes.Parse("B=4 T=4096 H=2 Hv=2 K=256 V=512"),
    };
}
