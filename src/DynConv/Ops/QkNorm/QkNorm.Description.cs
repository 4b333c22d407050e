namespace DynConv.Ops;

public static partial class QkNorm
{
    /// <summary>The op as tests and the benchmark run it; settings: <c>eps</c>, <c>theta</c>, <c>position</c>.</summary>
    public static OpDescription Description { get; } = new(
        Op,
        [
            new("q", "[B, T, H, K]") { IsReadBackward = true },
            new("k", "[B, T, G, K]") { IsReadBackward = true },
            new("query_scale", "[K]") { IsParameter = true, IsReadBackward = true },
            new("key_scale", "[K]") { IsParameter = true, IsReadBackward = true },
        ],
        [new("q_turned", "[B, T, H, K]"), new("k_turned", "[B, T, G, K]")],
        static call =>
        {
            Tensor q = call["q"];
            long position = (long)call.Number("position", 0);
            long end = Math.Max(1, position + q.Shape[1]);
            RopeTable table = call.Once(() => new RopeTable(call.Number("theta", 10000), (int)q.Shape[3], end, q.Device));
            using var positions = new TokenPositions([.. Enumerable.Repeat(position, (int)q.Shape[0])], q.Shape[1]);
            (Tensor turnedQ, Tensor turnedK) = Apply(
                q, call["k"], call["query_scale"], call["key_scale"], (float)call.Number("eps", 1e-5), new RotaryPositions(table, positions));
            return [turnedQ, turnedK];
        })
    {
        CpuSizes = OpSizes.Parse("B=4 T=1024 H=16 G=16 K=64"),
        CudaSizes = OpSizes.Parse("B=4 T=4096 H=16 G=16 K=64"),
    };
}
