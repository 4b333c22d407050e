namespace DynConv.Ops;

public static partial class RecurrenceGates
{
    /// <summary>The ops as tests, conformance vectors and the benchmark run them; setting of the sigmoid: <c>factor</c>.</summary>
    public static IReadOnlyList<OpDescription> Descriptions { get; } =
    [
        Describe(StepSizesOp, [Parameter("bias")], static call => StepSizes(call["x"], call["bias"])),
        Describe(LogDecaysOp, [Parameter("bias"), Parameter("rate")], static call => LogDecays(call["x"], call["bias"], call["rate"])),
        Describe(SigmoidOp, [], static call => Sigmoid(call["x"], (float)call.Number("factor", 1))),
    ];

    private static OpTensor Parameter(string name) => new(name, "[H]") { IsFloat32 = true, IsReadBackward = true };

    private static OpDescription Describe(string op, OpTensor[] parameters, Func<OpCall, Tensor> run) => new(
        op,
        [new("x", "[N, H]") { IsReadBackward = true }, .. parameters],
        [new("y", "[N, H]") { IsFloat32 = true }],
        call => [run(call)])
    {
        CpuSizes = OpSizes.Parse("N=4096 H=64"),
        CudaSizes = OpSizes.Parse("N=16384 H=64"),
    };
}
