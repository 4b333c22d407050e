namespace DynConv.Ops;

public static partial class Muon
{
    private static readonly MuonStepSettings DefaultSettings = new();

    /// <summary>A step as the benchmark times it.</summary>
    public static OpDescription Description { get; } = new(
        "muon",
        [
            new("parameter", "[N, K]") { IsFloat32 = true, IsChanged = true },
            new("gradient", "[N, K]") { IsFloat32 = true },
            new("momentum", "[N, K]") { IsFloat32 = true, IsChanged = true },
        ],
        [],
        static call =>
        {
            Step(call["parameter"], call["gradient"], call["momentum"], DefaultSettings);
            return [];
        })
    {
        HasGradient = false,
        Operations = static sizes =>
        {
            (double longer, double shorter) = (Math.Max(sizes["N"], sizes["K"]), Math.Min(sizes["N"], sizes["K"]));
            return new PassCosts(DefaultSettings.NewtonSchulzSteps * 2 * shorter * shorter * ((2 * longer) + shorter), 0);
        },
        CpuSizes = OpSizes.Parse("N=1024 K=1024"),
        CudaSizes = OpSizes.Parse("N=2048 K=2048"),
    };
}
