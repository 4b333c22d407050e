using DynConv.Ops;

namespace DynConv.Diagnostics;

/// <summary>The descriptions of all ops.</summary>
public static class OpCatalogue
{
    /// <summary>A copy of rows with their two dimensions exchanged; copies are no ops, but what tensors themselves do.</summary>
    public static OpDescription TransposedCopy { get; } = new(
        "copy_transposed",
        [new("x", "[N, D]")],
        [new("y", "[D, N]")],
        static call =>
        {
            using Tensor turned = call["x"].Transpose(0, 1);
            return [turned.Clone()];
        })
    {
        HasGradient = false,
        CpuSizes = OpSizes.Parse("N=4096 D=1024"),
        CudaSizes = OpSizes.Parse("N=16384 D=2048"),
    };

    /// <summary>All of them, in the order in which a benchmark shows them.</summary>
    public static IReadOnlyList<OpDescription> All { get; } =
    [
        StaticConvolution.Description,
        HeadWiseConvolution.Description,
        LowRankConvolution.Description,
        Attention.Description,
        GatedDeltaRule.Description,
        StateSpaceDuality.Description,
        MatMul.LinearDescription,
        MatMul.BatchedDescription,
        RmsNormalization.Description,
        RmsNormalization.SumDescription,
        GatedRmsNormalization.Description,
        L2Normalization.Description,
        .. RecurrenceGates.Descriptions,
        Rope.Description,
        QkNorm.Description,
        SwiGlu.Description,
        Bias.Description,
        Elementwise.AddDescription,
        Elementwise.SubtractDescription,
        Elementwise.MultiplyDescription,
        Elementwise.DivideDescription,
        Elementwise.ScaleDescription,
        Reduction.SumDescription,
        Reduction.SumAlongDescription,
        .. Functions.Descriptions,
        Softmax.Description,
        Concatenation.Description,
        EmbeddingLookup.Description,
        CrossEntropy.Description,
        LinearCrossEntropy.Description,
        TransposedCopy,
        AdamW.Description,
        Muon.Description,
        GradientNorm.Description,
    ];

    /// <summary>The op of a name, or null.</summary>
    /// <param name="name">As in conformance vectors.</param>
    public static OpDescription? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return All.FirstOrDefault(op => op.Name == name);
    }
}
