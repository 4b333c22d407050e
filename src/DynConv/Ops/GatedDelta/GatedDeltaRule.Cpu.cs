using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class GatedDeltaRule
{
    private static void ForwardCpu(GatedDeltaShape shape, GatedDeltaTensors inputs, Tensor y, Tensor? final, Tensor? states)
    {
        var pass = new GatedDeltaForwardPass(
            shape,
            new GatedDeltaInputs(inputs),
            new TokenHeads(y),
            StateRows.Of(inputs.Initial),
            StateRows.Of(final),
            StateRows.Of(states));
        Workers.For(shape.Sequences.Count * shape.ValueHeads, item =>
        {
            (long sequence, long head) = Math.DivRem(item, shape.ValueHeads);
            Simd.Run(new GatedDeltaForward(pass, shape.Sequences[sequence], head));
        });
    }

    private static void BackwardCpu(
        GatedDeltaShape shape, GatedDeltaTensors inputs, Tensor states, Tensor? dy, Tensor? dFinal, BackwardContext g)
    {
        using var gradients = new GradientPlaces(g);
        var pass = new GatedDeltaBackwardPass(
            shape,
            new GatedDeltaInputs(inputs),
            dy is null ? default : new TokenHeads(dy),
            StateRows.Of(states),
            StateRows.Of(dFinal),
            new HeadTarget(gradients.Rows(QInput, innerDimensions: 1)),
            new HeadTarget(gradients.Rows(KInput, innerDimensions: 1)),
            new HeadTarget(gradients.Rows(VInput, innerDimensions: 1)),
            new HeadTarget(gradients.Rows(GInput, innerDimensions: 0)),
            new HeadTarget(gradients.Rows(BetaInput, innerDimensions: 0)),
            new HeadTarget(gradients.Rows(StateInput, innerDimensions: 2)));

        // The value heads of a group add to the same queries and keys.
        Workers.For(shape.Sequences.Count * shape.KeyHeads, item =>
        {
            (long sequence, long head) = Math.DivRem(item, shape.KeyHeads);
            Simd.Run(new GatedDeltaBackward(pass, shape.Sequences[sequence], head));
        });
    }
}
