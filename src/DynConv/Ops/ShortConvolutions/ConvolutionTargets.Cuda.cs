using DynConv.Cuda;

namespace DynConv.Ops;

internal sealed partial class ConvolutionTargets
{
    private const int SumColumns = 32;
    private const int SumThreads = 1024;

    private static readonly KernelTable<DType> SumKernel = new(
        "partial_sums.cu", "partial_sums", type => [("TARGET", type.CudaName())], DType.Float32, DType.BFloat16);

    /// <summary>Adds up the partial sums, none where there are no tokens, in the type of the static part.</summary>
    private void SumStaticCuda()
    {
        using GradientRows target = GradientRows.Of(_context, ConvolutionInputs.StaticInput, innerDimensions: 2);
        if (target.Tensor is not { Count: > 0 } sum)
        {
            return;
        }

        SumKernel[sum.Device, sum.DType].Launch(
            new CudaGrid((sum.Count + SumColumns - 1) / SumColumns, SumThreads),
            _staticPartials,
            sum,
            _staticPartials?.Shape[0] ?? 0,
            sum.Count,
            target.Accumulate ? 1 : 0);
    }
}
