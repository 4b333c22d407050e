namespace DynConv.Optimizers;

/// <summary>A part of a training step whose gradient is computed by itself.</summary>
/// <param name="Loss">
/// Computes its loss, under a tape and in a scope of the trainer's. It is called once more if a number turns out not to be
/// finite, and has to compute the same then: what it reads is drawn before, or follows from the number of the step.
/// </param>
/// <param name="Share">What the loss counts for in that of the step; the shares of a step as a rule add up to 1.</param>
public sealed record MicroBatch(Func<MicroBatchLoss> Loss, double Share)
{
    /// <summary>What <see cref="Of"/> was given; null for a loss that may depend on anything.</summary>
    internal Func<Tensor[]>? Draw { get; private init; }

    /// <summary>As <see cref="Draw"/>.</summary>
    internal Func<Tensor[], MicroBatchLoss>? LossOf { get; private init; }

    /// <summary>
    /// A micro-batch whose loss follows from some tensors and the module's parameters alone. On a GPU, steps of such micro-batches
    /// are recorded once and then run again as a whole, with other tensors, so that the host has next to nothing to do
    /// (<see cref="Trainer.RecordsSteps"/>).
    /// </summary>
    /// <param name="draw">Makes the tensors, in a scope of the trainer's: for example ids and targets.</param>
    /// <param name="loss">
    /// Computes the loss from them. Steps are of one kind if this is the same method, or a lambda that captures the same, and the
    /// tensors have the same shapes; its code does not run at each step of a kind, so it must not decide anything by values or by
    /// the number of the step. Where it waits for the device or copies from the host, each step is queued by itself after all.
    /// </param>
    /// <param name="share">What the loss counts for in that of the step.</param>
    public static MicroBatch Of(Func<Tensor[]> draw, Func<Tensor[], MicroBatchLoss> loss, double share)
    {
        ArgumentNullException.ThrowIfNull(draw);
        ArgumentNullException.ThrowIfNull(loss);
        return new MicroBatch(() => loss(draw()), share) { Draw = draw, LossOf = loss };
    }
}

/// <summary>The loss of a micro-batch; a tensor stands for one that is minimised and reported.</summary>
/// <param name="Minimized">What gradients are taken of: float32 <c>[]</c>.</param>
/// <param name="Reported">What is told as the loss, for example without the terms that layers add to it: float32 <c>[]</c>.</param>
public readonly record struct MicroBatchLoss(Tensor Minimized, Tensor Reported)
{
    /// <summary>A loss that is both.</summary>
    /// <param name="loss">float32 <c>[]</c>.</param>
    public static implicit operator MicroBatchLoss(Tensor loss) => new(loss, loss);
}
