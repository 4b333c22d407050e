namespace DynConv.Ops;

/// <summary>The loss of a language model: how surprised its logits are by the tokens that came.</summary>
/// <remarks>
/// The CPU refuses a target out of range. On CUDA nobody waits to look at targets: one that is out of range makes the
/// loss, and the gradient of its row, NaN.
/// </remarks>
public static partial class CrossEntropy
{
    /// <summary>The target that stands for "do not count this row".</summary>
    public const int DefaultIgnoreIndex = -100;

    /// <summary>
    /// The mean, over rows that are not ignored, of <c>log(sum over v of exp(logits[n, v])) - logits[n, targets[n]]</c>.
    /// </summary>
    /// <param name="logits"><c>[N, V]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="targets"><c>[N]</c>, int32, each in <c>[0, V)</c> or <paramref name="ignoreIndex"/>.</param>
    /// <param name="ignoreIndex">Rows with this target count for nothing.</param>
    /// <returns>The loss in nats, float32 <c>[]</c>; 0 with gradients of zero where all rows are ignored.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or, on the CPU, a target is out of range.</exception>
    public static Tensor Mean(Tensor logits, Tensor targets, int ignoreIndex = DefaultIgnoreIndex)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(targets);
        using var scope = new TensorScope();
        (logits, targets) = Check(logits, targets, ignoreIndex);
        Tensor statistics = Tensor.Empty([logits.Shape[0], 2], DType.Float32, logits.Device);
        Tensor rows = Tensor.Empty(targets.Shape, DType.Float32, logits.Device);
        WriteRows(logits, targets, ignoreIndex, rows, statistics);
        Tensor inverseCount = Tensor.Empty([], DType.Float32, logits.Device);
        Tensor loss = MeanOfRows(rows, targets, ignoreIndex, inverseCount);
        return scope.Keep(Tape.Record("cross_entropy", loss, [logits], [logits, targets, statistics, inverseCount], g =>
        {
            using var gradients = new GradientPlaces(g);
            GradientRows rows = gradients.Rows(0, innerDimensions: 1);
            (Tensor logits, Tensor targets, Tensor statistics) = (g.Saved(0), g.Saved(1), g.Saved(2));
            (Tensor upstream, Tensor inverseCount) = (g.Gradient(0)!, g.Saved(3));
            if (logits.Device.IsCuda)
            {
                BackwardCuda(upstream, inverseCount, logits, targets, statistics, ignoreIndex, rows.Tensor!, rows.Accumulate);
            }
            else
            {
                BackwardCpu(upstream, inverseCount, logits, targets, statistics, ignoreIndex, rows.Tensor!, rows.Accumulate);
            }
        }));
    }

    /// <summary>The loss of each row, for evaluation; takes no part in gradients.</summary>
    /// <param name="logits"><c>[N, V]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="targets"><c>[N]</c>, int32, each in <c>[0, V)</c> or <paramref name="ignoreIndex"/>.</param>
    /// <param name="ignoreIndex">Rows with this target get 0.</param>
    /// <returns>Losses in nats, float32 <c>[N]</c>.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or, on the CPU, a target is out of range.</exception>
    public static Tensor Rows(Tensor logits, Tensor targets, int ignoreIndex = DefaultIgnoreIndex)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(targets);
        using var scope = new TensorScope();
        (logits, targets) = Check(logits.Detach(), targets, ignoreIndex);
        Tensor rows = Tensor.Empty(targets.Shape, DType.Float32, logits.Device);
        WriteRows(logits, targets, ignoreIndex, rows, statistics: null);
        return scope.Keep(rows);
    }

    /// <summary>
    /// Checks targets for <paramref name="classes"/> classes, each in <c>[0, classes)</c> or <paramref name="ignoreIndex"/>.
    /// </summary>
    /// <returns>The same, contiguous.</returns>
    internal static Tensor CheckTargets(string op, Tensor targets, int ignoreIndex, long classes)
    {
        if (targets.DType != DType.Int32)
        {
            throw new TensorException(op, $"targets have to be int32, not {targets.DType.Name()}.", targets);
        }

        targets = targets.Contiguous();
        if (!targets.Device.IsCuda)
        {
            CheckTargetsCpu(op, targets, ignoreIndex, classes);
        }

        return targets;
    }

    /// <summary>1 over the number of targets that count, at least 1 of them; float32 <c>[]</c>.</summary>
    internal static Tensor InverseCount(Tensor targets, int ignoreIndex)
    {
        Tensor inverseCount = Tensor.Empty([], DType.Float32, targets.Device);
        if (targets.Device.IsCuda)
        {
            InverseCountCuda(targets, ignoreIndex, inverseCount);
        }
        else
        {
            InverseCountCpu(targets, ignoreIndex, inverseCount);
        }

        return inverseCount;
    }

    /// <summary>
    /// Writes the loss of each row, and the gradient of the mean, which is over the counted rows of this and other
    /// tensors, in place of the logits.
    /// </summary>
    internal static void WriteRowsAndGradient(Tensor logits, Tensor targets, int ignoreIndex, Tensor inverseCount, Tensor rows)
    {
        if (logits.Device.IsCuda)
        {
            RowsAndGradientCuda(logits, targets, ignoreIndex, inverseCount, rows);
        }
        else
        {
            RowsAndGradientCpu(logits, targets, ignoreIndex, inverseCount, rows);
        }
    }

    /// <summary>The mean of the losses of rows that count; <paramref name="inverseCount"/> is written as well.</summary>
    internal static Tensor MeanOfRows(Tensor rows, Tensor targets, int ignoreIndex, Tensor inverseCount)
    {
        Tensor loss = Tensor.Empty([], DType.Float32, rows.Device);
        if (rows.Device.IsCuda)
        {
            MeanCuda(rows, targets, ignoreIndex, loss, inverseCount);
        }
        else
        {
            MeanCpu(rows, targets, ignoreIndex, loss, inverseCount);
        }

        return loss;
    }

    /// <summary>Writes the loss of each row and, where wanted, what its gradient needs: two numbers.</summary>
    internal static void WriteRows(Tensor logits, Tensor targets, int ignoreIndex, Tensor rows, Tensor? statistics)
    {
        if (logits.Device.IsCuda)
        {
            RowsCuda(logits, targets, ignoreIndex, rows, statistics);
        }
        else
        {
            RowsCpu(logits, targets, ignoreIndex, rows, statistics);
        }
    }

    private static (Tensor Logits, Tensor Targets) Check(Tensor logits, Tensor targets, int ignoreIndex)
    {
        OpArguments.Floating("cross_entropy", logits);
        OpArguments.OneDevice("cross_entropy", logits, targets);
        if (logits.Rank != 2 || targets.Rank != 1 || targets.Shape[0] != logits.Shape[0])
        {
            throw new TensorException(
                "cross_entropy",
                $"targets of shape {targets.Shape} do not fit logits of shape {logits.Shape}.",
                logits,
                targets);
        }

        return (RowLayout.Of(logits), CheckTargets("cross_entropy", targets, ignoreIndex, logits.Shape[1]));
    }
}
