namespace DynConv.Ops;

/// <summary>Of the specialisations of a low-rank kernel: the parameters' types and whether sequences are packed.</summary>
internal readonly record struct LowRankTypes(DType U, DType Static, bool IsPacked)
{
    public static LowRankTypes Of(ConvolutionInputs inputs, Tensor u) =>
        new(u.DType, inputs.StaticWeight?.DType ?? u.DType, inputs.Sequences.Packed is not null);
}
