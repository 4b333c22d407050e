namespace DynConv.Ops;

public static partial class AdamW
{
    private static readonly AdamWStepSettings DefaultSettings = new();

    /// <summary>A step as the benchmark times it.</summary>
    public static OpDescription Description { get; } = new(
        "adamw",
        [
            new("parameter", "[N]") { IsFloat32 = true, IsChanged = true },
            new("gradient", "[N]") { IsFloat32 = true },
            new("first_moment", "[N]") { IsFloat32 = true, IsChanged = true },
            new("second_moment", "[N]") { IsFloat32 = true, IsChanged = true },
        ],
        [],
        static call =>
        {
            Step(call["parameter"], call["gradient"], call["first_moment"], call["second_moment"], DefaultSettings, step: 1);
            return [];
        })
    {
        HasGradient = false,
        CpuSizes = OpSizes.Parse("N=4194304"),
        CudaSizes = OpSizes.Parse("N=33554432"),
    };
}
