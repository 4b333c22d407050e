namespace DynConv.Ops;

/// <summary>A parameter among those of a step of <see cref="AdamW"/>.</summary>
/// <param name="Weight">float32; changed.</param>
/// <param name="Gradient">The same shape; float32, or bfloat16 on CUDA.</param>
/// <param name="FirstMoment">The same shape; changed.</param>
/// <param name="SecondMoment">The same shape; changed.</param>
/// <param name="WeightDecay">The share that a step takes, times the learning rate, off this parameter.</param>
internal readonly record struct AdamWPart(
    Tensor Weight, Tensor Gradient, Tensor FirstMoment, Tensor SecondMoment, double WeightDecay)
{
    /// <summary>Whether the elements of all four lie one after the other, in types that a table takes.</summary>
    public bool IsDense =>
        Weight is { IsContiguous: true, DType: DType.Float32, Count: > 0 }
        && Gradient is { IsContiguous: true, DType: DType.Float32 or DType.BFloat16 }
        && FirstMoment.IsContiguous
        && SecondMoment.IsContiguous;
}
