namespace DynConv.Optimizers;

/// <summary>A part of a training step whose gradient is computed by itself.</summary>
/// <param name="Loss">
/// Computes its loss, under a tape and in a scope of the trainer's. It is called once more if a number turns out not to be
/// finite, and has to compute the same then: what it reads is drawn before, or follows from the number of the step.
/// </param>
/// <param name="Share">What the loss counts for in that of the step; the shares of a step as a rule add up to 1.</param>
public sealed record MicroBatch(Func<MicroBatchLoss> Loss, double Share);

/// <summary>The loss of a micro-batch; a tensor stands for one that is minimised and reported.</summary>
/// <param name="Minimized">What gradients are taken of: float32 <c>[]</c>.</param>
/// <param name="Reported">What is told as the loss, for example without the terms that layers add to it: float32 <c>[]</c>.</param>
public readonly record struct MicroBatchLoss(Tensor Minimized, Tensor Reported)
{
    /// <summary>A loss that is both.</summary>
    /// <param name="loss">float32 <c>[]</c>.</param>
    public static implicit operator MicroBatchLoss(Tensor loss) => new(loss, loss);
}
