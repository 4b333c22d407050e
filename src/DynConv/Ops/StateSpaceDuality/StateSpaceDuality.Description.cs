namespace DynConv.Ops;

public static partial class StateSpaceDuality
{
    // For each token and head two products of a chunk with the state and, of the chunk's tokens with one another, one over P for half of
    // the pairs; for each token and group one over N.
    private const double StateProducts = 2;

    // Backwards, two products for each of these, and once more the state and the products over N.
    private const double BackwardStateProducts = 5;
    private const double BackwardHeadPairs = 2;
    private const double BackwardGroupPairs = 3;

    /// <summary>
    /// The op as tests, conformance vectors and the benchmark run it; settings: <c>final_state</c>, <c>cu_seqlens</c>.
    /// </summary>
    public static OpDescription Description { get; } = new(
        Op,
        [
            new("x", "[B, T, H, P]") { IsReadBackward = true },
            new("dt", "[B, T, H]") { IsReadBackward = true, IsFloat32 = true, OfNormal = static x => MathF.Exp(x) / 16 },
            new("a", "[H]") { IsReadBackward = true, IsFloat32 = true, OfNormal = static x => -MathF.Exp(x) },
            new("b", "[B, T, G, N]") { IsReadBackward = true },
            new("c", "[B, T, G, N]") { IsReadBackward = true },
            new("d", "[H]") { IsReadBackward = true, IsFloat32 = true, IsOptional = true },
            new("initial_state", "[B, H, P, N]") { IsReadBackward = true, IsFloat32 = true, IsOptional = true },
        ],
        [
            new("y", "[B, T, H, P]"),
            new("final_state", "[B, H, P, N]") { IsFloat32 = true, IsOptional = true },
        ],
        static call =>
        {
            var options = new StateSpaceDualityOptions
            {
                D = call.Find("d"),
                InitialState = call.Find("initial_state"),
                Packed = call.Packed(),
            };
            (Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c) = (call["x"], call["dt"], call["a"], call["b"], call["c"]);
            if (!call.Flag("final_state"))
            {
                return [Apply(x, dt, a, b, c, options)];
            }

            (Tensor y, Tensor final) = ApplyWithState(x, dt, a, b, c, options);
            return [y, final];
        })
    {
        Operations = static sizes =>
        {
            double tokens = 2.0 * sizes["B"] * sizes["T"];
            (double p, double n) = (sizes["P"], sizes["N"]);
            double heads = tokens * sizes["H"];
            double headPairs = heads * p * ChunkTokens / 2;
            double groupPairs = tokens * sizes["G"] * n * ChunkTokens / 2;
            return new PassCosts(
                (heads * StateProducts * p * n) + headPairs + groupPairs,
                (heads * BackwardStateProducts * p * n) + (BackwardHeadPairs * headPairs) + (BackwardGroupPairs * groupPairs));
        },
        CpuSizes = OpSizes.Parse("B=1 T=1024 H=16 P=64 G=1 N=128"),
        CudaSizes = OpSizes.Parse("B=4 T=4096 H=32 P=64 G=1 N=128"),
    };
}
