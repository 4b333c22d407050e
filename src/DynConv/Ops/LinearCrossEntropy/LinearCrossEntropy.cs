namespace DynConv.Ops;

/// <summary>
/// A language model's output layer and loss in one: the cross-entropy of <c>hidden weightᵀ</c>, whose rows of logits are
/// made, used and overwritten some at a time, so that those of a whole batch never exist.
/// </summary>
/// <remarks>
/// With a tape open the forward pass computes the gradients too, as those of a mean; the backward pass multiplies them by the
/// loss's own gradient, and where that is 1 leaves them as they are. On CUDA a target out of range makes the loss NaN, as in
/// <see cref="CrossEntropy"/>.
/// </remarks>
public static partial class LinearCrossEntropy
{
    private const string Op = "linear_cross_entropy";

    /// <summary>
    /// The mean, over rows that are not ignored, of <c>log(sum over v of exp(logits[n, v])) - logits[n, targets[n]]</c> with
    /// <c>logits = hidden weightᵀ</c>.
    /// </summary>
    /// <param name="hidden"><c>[..., K]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="weight">
    /// <c>[V, K]</c>, float32 or the type of <paramref name="hidden"/>, classes × inputs. Its gradient is summed in float32.
    /// </param>
    /// <param name="targets"><c>[...]</c>, int32, each in <c>[0, V)</c> or <paramref name="ignoreIndex"/>.</param>
    /// <param name="ignoreIndex">Rows with this target count for nothing.</param>
    /// <returns>The loss in nats, float32 <c>[]</c>; 0 with gradients of zero where all rows are ignored.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or, on the CPU, a target is out of range.</exception>
    public static Tensor Mean(Tensor hidden, Tensor weight, Tensor targets, int ignoreIndex = CrossEntropy.DefaultIgnoreIndex) =>
        Mean(hidden, weight, targets, ignoreIndex, null);

    /// <summary>The loss of each row, for evaluation; takes no part in gradients.</summary>
    /// <inheritdoc cref="Mean(Tensor, Tensor, Tensor, int)" path="/param"/>
    /// <returns>Losses in nats, float32, of the targets' shape; 0 where the target is <paramref name="ignoreIndex"/>.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or, on the CPU, a target is out of range.</exception>
    public static Tensor Rows(Tensor hidden, Tensor weight, Tensor targets, int ignoreIndex = CrossEntropy.DefaultIgnoreIndex) =>
        Rows(hidden, weight, targets, ignoreIndex, null);

    /// <summary>The same with a number of rows of logits at a time.</summary>
    internal static Tensor Mean(Tensor hidden, Tensor weight, Tensor targets, int ignoreIndex, long? chunkRows)
    {
        Check(hidden, weight, targets);
        using var scope = new TensorScope();
        var chunks = new LogitChunks(hidden, weight, targets, ignoreIndex, chunkRows);
        Tensor? hiddenGradient = Tape.IsRecording(hidden) ? Tensor.Empty(hidden.Shape, hidden.DType, hidden.Device) : null;
        Tensor? weightGradient = Tape.IsRecording(weight) ? Tensor.Empty(weight.Shape, DType.Float32, weight.Device) : null;
        Tensor inverseCount = CrossEntropy.InverseCount(chunks.Targets, ignoreIndex);
        Tensor rows = hiddenGradient is null && weightGradient is null
            ? chunks.Losses()
            : chunks.LossesAndGradients(inverseCount, hiddenGradient, weightGradient);
        Tensor loss = CrossEntropy.MeanOfRows(rows, chunks.Targets, ignoreIndex, inverseCount);
        return scope.Keep(Tape.Record(Op, loss, [hidden, weight], [hiddenGradient, weightGradient], static g =>
        {
            for (int input = 0; input < 2; input++)
            {
                if (g.Needs(input))
                {
                    Deliver(g, input);
                }
            }
        }));
    }

    /// <summary>The same with a number of rows of logits at a time.</summary>
    internal static Tensor Rows(Tensor hidden, Tensor weight, Tensor targets, int ignoreIndex, long? chunkRows)
    {
        Check(hidden, weight, targets);
        using var scope = new TensorScope();
        return scope.Keep(new LogitChunks(hidden, weight, targets, ignoreIndex, chunkRows).Losses().Reshape(targets.Shape.Dimensions));
    }

    /// <summary>Brings the gradient of the mean, times that of the loss, to an input.</summary>
    private static void Deliver(BackwardContext g, int input)
    {
        (Tensor gradient, Tensor factor) = (g.Saved(input), g.Gradient(0)!);
        if (g.Adopts(input, gradient))
        {
            AddScaled(gradient, factor, gradient, accumulate: false);
            g.Add(input, gradient);
        }
        else
        {
            GradientTarget target = g.Target(input);
            AddScaled(gradient, factor, target.Tensor, target.Accumulate);
        }
    }

    /// <summary><c>sum = factor values</c>, or <c>sum += factor values</c>; <paramref name="sum"/> may be the values themselves.</summary>
    private static void AddScaled(Tensor values, Tensor factor, Tensor sum, bool accumulate)
    {
        if (values.Device.IsCuda)
        {
            AddScaledCuda(values, factor, sum, accumulate);
        }
        else
        {
            AddScaledCpu(values, factor, sum, accumulate);
        }
    }

    private static void Check(Tensor hidden, Tensor weight, Tensor targets)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentNullException.ThrowIfNull(targets);
        OpArguments.Floating(Op, hidden);
        OpArguments.Weight(Op, "the weight", weight, hidden);
        OpArguments.OneDevice(Op, hidden, targets);
        if (weight.Rank != 2 || hidden.Rank == 0 || hidden.Shape[^1] != weight.Shape[1])
        {
            throw new TensorException(
                Op, $"hidden {hidden.Shape} and weight {weight.Shape} do not fit; [..., K] and [V, K] do.", hidden, weight);
        }

        if (targets.Shape != hidden.Shape[..^1])
        {
            throw new TensorException(
                Op, $"targets of shape {targets.Shape} do not fit hidden of shape {hidden.Shape}: one for each row of it does.", targets, hidden);
        }
    }
}
