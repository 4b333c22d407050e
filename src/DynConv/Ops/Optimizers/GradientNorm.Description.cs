namespace DynConv.Ops;

public static partial class GradientNorm
{
    /// <summary><see cref="SquaredSum"/> as the benchmark times it.</summary>
    public static OpDescription Description { get; } = new(
        "gradient_norm",
        [new("gradient", "[N]") { IsFloat32 = true }],
        [new("y", "[]") { IsFloat32 = true }],
        static call => [SquaredSum(call["gradient"])])
    {
        HasGradient = false,
        CpuSizes = OpSizes.Parse("N=4194304"),
        CudaSizes = OpSizes.Parse("N=33554432"),
    };
}
