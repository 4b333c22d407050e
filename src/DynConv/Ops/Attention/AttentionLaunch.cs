using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>A kernel of attention and how it is cut up; all that compute the same take the same arguments.</summary>
internal readonly record struct AttentionLaunch(CudaKernel Kernel, CudaGrid Grid)
{
    public void Forward(CudaAttentionCall call, Tensor q, Tensor k, Tensor v, Tensor y, Tensor statistics)
    {
        AttentionShape shape = call.Shape;
        (CudaHeads queries, CudaHeads keys, CudaHeads values, CudaHeads results) =
            (CudaHeads.Of(q), CudaHeads.Of(k), CudaHeads.Of(v), CudaHeads.Of(y));
        Kernel.Launch(
            Grid,
            KernelArgument.Of(in queries),
            KernelArgument.Of(in keys),
            KernelArgument.Of(in values),
            KernelArgument.Of(in results),
            statistics,
            KernelArgument.Of(in shape),
            call.QueryHeadsTogether);
    }

    public void QueryGradient(CudaAttentionCall call, AttentionGradientInputs inputs, GradientRows dq)
    {
        AttentionShape shape = call.Shape;
        CudaHeads target = CudaHeads.Of(dq.Tensor);
        Kernel.Launch(
            Grid,
            KernelArgument.Of(in inputs.Q),
            KernelArgument.Of(in inputs.K),
            KernelArgument.Of(in inputs.V),
            KernelArgument.Of(in inputs.Upstream),
            inputs.Statistics,
            call.PaddedQueries,
            KernelArgument.Of(in target),
            dq.Accumulate ? 1 : 0,
            KernelArgument.Of(in shape),
            call.QueryHeadsTogether);
    }

    public void KeyGradients(CudaAttentionCall call, AttentionGradientInputs inputs, GradientRows dk, GradientRows dv)
    {
        AttentionShape shape = call.Shape;
        (CudaHeads keys, CudaHeads values) = (CudaHeads.Of(dk.Tensor), CudaHeads.Of(dv.Tensor));
        Kernel.Launch(
            Grid,
            KernelArgument.Of(in inputs.Q),
            KernelArgument.Of(in inputs.K),
            KernelArgument.Of(in inputs.V),
            KernelArgument.Of(in inputs.Upstream),
            inputs.Statistics,
            call.PaddedQueries,
            KernelArgument.Of(in keys),
            KernelArgument.Of(in values),
            dk.Accumulate ? 1 : 0,
            dv.Accumulate ? 1 : 0,
            KernelArgument.Of(in shape),
            call.KeyHeadsTogether);
    }
}
