using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class StateSpaceDuality
{
    private static void ForwardCpu(SsdShape shape, SsdTensors tensors, Tensor y, Tensor? final)
    {
        var inputs = new SsdInputs(shape, tensors);
        Tensor scores = inputs.Scores(TokenChunks.Of(shape.Sequences));
        var pass = new SsdForwardPass(inputs, StateRows.Of(scores), new TokenHeads(y), StateRows.Of(final));
        Workers.For(shape.Sequences.Count * shape.Heads, item =>
        {
            (long sequence, long head) = Math.DivRem(item, shape.Heads);
            Simd.Run(new SsdForward(pass, shape.Sequences[sequence], head));
        });
    }

    private static void BackwardCpu(SsdShape shape, SsdTensors tensors, Tensor? dy, Tensor? dFinal, BackwardContext g)
    {
        TokenChunk[] chunks = TokenChunks.Of(shape.Sequences);
        using var gradients = new GradientPlaces(g);
        var inputs = new SsdInputs(shape, tensors);
        Tensor scores = inputs.Scores(chunks);
        Tensor states = Tensor.Empty([shape.Chunks, shape.Heads, shape.HeadSize, shape.StateSize]);
        Tensor stateGradients = Tensor.Empty(states.Shape);
        Tensor rateParts = Tensor.Zeros([shape.Chunks, 2, shape.Heads]);
        var dx = new HeadTarget(gradients.Rows(XInput, innerDimensions: 1));
        var dDt = new HeadTarget(gradients.Rows(DtInput, innerDimensions: 0));
        GradientRows da = gradients.Rows(AInput, innerDimensions: 1);
        var db = new HeadTarget(gradients.Rows(BInput, innerDimensions: 1));
        var dc = new HeadTarget(gradients.Rows(CInput, innerDimensions: 1));
        GradientRows dd = gradients.Rows(DInput, innerDimensions: 1);
        var pass = new SsdBackwardPass(
            inputs,
            StateRows.Of(scores),
            dy is null ? default : new TokenHeads(dy),
            StateRows.Of(dFinal),
            StateRows.Of(states),
            StateRows.Of(stateGradients),
            rateParts,
            dx,
            dDt,
            db,
            dc,
            new HeadTarget(gradients.Rows(StateInput, innerDimensions: 2)));
        Workers.For(shape.Sequences.Count * shape.Heads, item =>
        {
            (long sequence, long head) = Math.DivRem(item, shape.Heads);
            Simd.Run(new SsdStates(pass, shape.Sequences[sequence], head));
        });
        Workers.For(chunks.Length * shape.Groups, item =>
        {
            (long i, long group) = Math.DivRem(item, shape.Groups);
            Simd.Run(new SsdBackward(pass, chunks[i], group));
        });
        SumParts(0, da);
        SumParts(1, dd);

        void SumParts(int place, GradientRows gradient)
        {
            if (gradient.Tensor is { } to)
            {
                PartialSums.SumInto(rateParts.Slice(1, place, 1).Contiguous(), to, gradient.Accumulate);
            }
        }
    }
}
