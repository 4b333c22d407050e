using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class GatedDeltaRule
{
    private static readonly KernelTable<GatedDeltaSplit> ForwardKernel = new(
        "gated_delta_forward.cu",
        "gated_delta_forward",
        GatedDeltaSplit.Macros,
        new GatedDeltaSplit(DType.Float32, 8, 1, 16),
        new GatedDeltaSplit(DType.BFloat16, 16, 32, 8));

    private static readonly KernelTable<GatedDeltaSplit> BackwardKernel = new(
        "gated_delta_backward.cu",
        "gated_delta_backward",
        GatedDeltaSplit.Macros,
        new GatedDeltaSplit(DType.Float32, 8, 1, 16),
        new GatedDeltaSplit(DType.BFloat16, 8, 32, 64));

    private static void ForwardCuda(GatedDeltaShape shape, GatedDeltaTensors inputs, Tensor y, Tensor? final, Tensor? states)
    {
        var split = GatedDeltaSplit.Forward(shape, y.DType);
        if (split.Blocks(shape) == 0)
        {
            return;
        }

        (CudaHeads q, CudaHeads k, CudaHeads v) = (Rows(inputs.Q), Rows(inputs.K), Rows(inputs.V));
        (CudaHeads g, CudaHeads beta) = (CudaHeads.Of(inputs.G), CudaHeads.Of(inputs.Beta));
        var result = CudaHeads.Of(y);
        var sizes = CudaDeltaShape.Of(shape, y.Device);
        ForwardKernel[y.Device, split].Launch(
            new CudaGrid(split.Blocks(shape), split.Threads),
            KernelArgument.Of(in q),
            KernelArgument.Of(in k),
            KernelArgument.Of(in v),
            KernelArgument.Of(in g),
            KernelArgument.Of(in beta),
            KernelArgument.Of(in result),
            inputs.Initial?.Contiguous(),
            final,
            states,
            KernelArgument.Of(in sizes));
    }

    private static void BackwardCuda(
        GatedDeltaShape shape, GatedDeltaTensors inputs, Tensor states, Tensor? dy, Tensor? dFinal, BackwardContext context)
    {
        Device device = states.Device;
        var split = GatedDeltaSplit.Backward(shape, inputs.V.DType, device);
        (long slabs, long tokens) = (split.Slabs(shape), shape.Sequences.Tokens);
        Tensor dq = Float([shape.Shared * slabs, tokens, shape.KeyHeads, shape.KeySize]);
        Tensor dk = Float(dq.Shape);
        Tensor dg = Float([slabs, tokens, shape.ValueHeads]);
        Tensor dbeta = Float(dg.Shape);
        Tensor dv = Tensor.Empty(inputs.V.Shape, inputs.V.DType, device);
        Tensor? dInitial = context.Needs(StateInput) ? Float(shape.States) : null;
        (CudaHeads q, CudaHeads k, CudaHeads v) = (Rows(inputs.Q), Rows(inputs.K), Rows(inputs.V));
        (CudaHeads g, CudaHeads beta) = (CudaHeads.Of(inputs.G), CudaHeads.Of(inputs.Beta));
        CudaHeads upstream = dy is null ? default : Rows(dy);
        var sizes = CudaDeltaShape.Of(shape, device);
        var gradients = new CudaDeltaGradients(dq, dk, dv, dg, dbeta, dInitial);
        Tensor? last = dFinal?.Contiguous();
        long blocks = split.Blocks(shape);
        CudaKernel kernel = BackwardKernel[device, split];
        long together = Math.Min(blocks, split.BlocksTogether(kernel));
        Tensor before = Float([together * split.StateFloats]);
        for (long first = 0; first < blocks; first += together)
        {
            kernel.Launch(
                new CudaGrid(Math.Min(together, blocks - first), split.Threads, split.SharedBytes),
                KernelArgument.Of(in q),
                KernelArgument.Of(in k),
                KernelArgument.Of(in v),
                KernelArgument.Of(in g),
                KernelArgument.Of(in beta),
                KernelArgument.Of(in upstream),
                states,
                last,
                before,
                KernelArgument.Of(in gradients),
                KernelArgument.Of(in sizes),
                first);
        }

        AddSum(QInput, dq, inputs.Q);
        AddSum(KInput, dk, inputs.K);
        context.Add(VInput, dv);
        AddSum(GInput, dg, inputs.G);
        AddSum(BetaInput, dbeta, inputs.Beta);
        if (dInitial is not null)
        {
            context.Add(StateInput, dInitial);
        }

        Tensor Float(Shape dimensions) => Tensor.Empty(dimensions, DType.Float32, device);

        void AddSum(int input, Tensor parts, Tensor like)
        {
            if (context.Needs(input))
            {
                Tensor sum = Tensor.Empty(like.Shape, like.DType, device);
                PartialSums.SumInto(parts, sum, accumulate: false);
                context.Add(input, sum);
            }
        }
    }

    private static CudaHeads Rows(Tensor tensor) => CudaHeads.Of(RowLayout.Of(tensor));
}
