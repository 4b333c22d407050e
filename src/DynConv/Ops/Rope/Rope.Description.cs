namespace DynConv.Ops;

public static partial class Rope
{
    /// <summary>The op as tests, conformance vectors and the benchmark run it; settings: <c>theta</c>, <c>position</c>.</summary>
    public static OpDescription Description { get; } = new(
        "rope",
        [new("x", "[B, T, H, K]")],
        [new("y", "[B, T, H, K]")],
        static call =>
        {
            Tensor x = call["x"];
            long position = (long)call.Number("position", 0);
            long end = Math.Max(1, position + x.Shape[1]);
            return [Apply(x, call.Once(() => new RopeTable(call.Number("theta", 10000), (int)x.Shape[3], end, x.Device)), position)];
        })
    {
        CpuSizes = OpSizes.Parse("B=4 T=1024 H=16 K=64"),
        CudaSizes = OpSizes.Parse("B=4 T=4096 H=32 K=64"),
    };
}
