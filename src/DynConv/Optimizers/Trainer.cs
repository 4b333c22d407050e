using DynConv.Cuda;
using DynConv.Ops;

namespace DynConv.Optimizers;

/// <summary>
/// Makes training steps with an optimizer, for any module and loss: forward, backward, clipping, update.
/// <code>
/// using var optimizer = new AdamWOptimizer(model);
/// using var trainer = new Trainer(optimizer);
/// double loss = trainer.Step(() => Loss(model, batch)).Loss;
/// </code>
/// </summary>
/// <remarks>
/// A GPU works through a step while the host queues the next: within a step nothing is waited for, and after queueing one the
/// trainer looks at the figures of the step before. A step whose loss or gradient is not finite changes no parameter, and
/// neither does the one queued behind it, so that the host, which finds out later, can run that step again as it was. After the
/// exception the trainer stands where it stood before that step.
///
/// Where all micro-batches of a step are made of tensors (<see cref="MicroBatch.Of"/>), the second step of a kind is recorded as a
/// CUDA graph, and from then on steps of that kind are that graph: the same bits, with little work for the host. A step of
/// another kind is queued as usual in between; two of them in a row take the recording's place. The recording keeps the memory
/// that a step needs.
/// </remarks>
public sealed class Trainer : IDisposable
{
    private readonly Optimizer _optimizer;
    private readonly LearningRateSchedule? _schedule;

    /// <summary>0 as long as all has been finite, then NaN.</summary>
    private readonly Tensor _guard;

    /// <summary>The last step, if its figures have not been looked at.</summary>
    private TrainingStep? _pending;

    /// <summary>The kind of the last step, if such can be recorded, and one that could not be after all.</summary>
    private StepKind? _last;
    private StepKind? _unrecordable;
    private RecordedStep? _recorded;

    private bool _isDisposed;

    /// <summary>Goes on from the optimizer's place.</summary>
    /// <param name="optimizer">Stays its holder's.</param>
    /// <param name="schedule">The learning rate of each step; the optimizer's own for all of them if not given.</param>
    public Trainer(Optimizer optimizer, LearningRateSchedule? schedule = null)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        _optimizer = optimizer;
        _schedule = schedule;
        _guard = TensorScope.Release(Tensor.Zeros([], DType.Float32, _optimizer.Device));
    }

    /// <summary>
    /// Whether steps that can be are recorded and run again as a whole; true unless set, or unless the environment says
    /// <c>DYNCONV_CUDA_GRAPHS=0</c>.
    /// </summary>
    public bool RecordsSteps { get; init; } = Environment.GetEnvironmentVariable("DYNCONV_CUDA_GRAPHS") != "0";

    /// <summary>Steps of this trainer that ran as a recording.</summary>
    internal long RecordedSteps { get; private set; }

    /// <summary>Why steps that are made of tensors could not be recorded after all; null if they could, or none have been tried.</summary>
    internal string? RecordingFailure { get; private set; }

    /// <summary>Steps so far, those before a <see cref="Load"/> included.</summary>
    public long StepCount => _optimizer.StepCount;

    /// <summary>Makes a step by the mean of losses.</summary>
    /// <param name="losses">
    /// Each computes the loss of a micro-batch, a float32 scalar; see <see cref="MicroBatch"/>. With several, the gradient is that of
    /// one batch of them all, with the memory of one of them.
    /// </param>
    /// <returns>The step; on a GPU its figures may still be on their way.</returns>
    /// <exception cref="NonFiniteStepException">
    /// The loss or the gradient is not finite: of this step, or on a GPU of the one before.
    /// </exception>
    public TrainingStep Step(params ReadOnlySpan<Func<Tensor>> losses) => Step(EqualParts(losses));

    /// <summary>Makes a step by the sum of losses, each times its share.</summary>
    /// <param name="parts">The micro-batches.</param>
    /// <returns>The step; on a GPU its figures may still be on their way.</returns>
    /// <exception cref="NonFiniteStepException">
    /// The loss or the gradient is not finite: of this step, or on a GPU of the one before.
    /// </exception>
    public TrainingStep Step(params ReadOnlySpan<MicroBatch> parts)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        TrainingStep? previous = _pending;
        TrainingStep step = Queue(Checked(parts));
        if (_optimizer.Device.IsCuda)
        {
            _pending = step;
        }

        if (previous is not null)
        {
            Complete(previous);
        }

        return step;
    }

    /// <summary>Compiles all kernels that a step needs, on all cores, without making one; on the CPU there are none.</summary>
    /// <param name="parts">As for <see cref="Step(ReadOnlySpan{MicroBatch})"/>; they compute nothing.</param>
    /// <returns>How many this process did not have yet.</returns>
    public int Prepare(params ReadOnlySpan<MicroBatch> parts)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        MicroBatch[] all = Checked(parts);
        long steps = StepCount;
        int kernels = _optimizer.Device.Prepare(() => Queue(all).Release());
        _optimizer.StepCount = steps;
        return kernels;
    }

    /// <summary>The same for the mean of losses.</summary>
    /// <param name="losses">As for <see cref="Step(ReadOnlySpan{Func{Tensor}})"/>; they compute nothing.</param>
    /// <returns>How many this process did not have yet.</returns>
    public int Prepare(params ReadOnlySpan<Func<Tensor>> losses) => Prepare(EqualParts(losses));

    /// <summary>
    /// Writes the training's place: the number of steps and what the optimizer keeps. With the module's parameters beside it, a
    /// training that goes on from there has the bits of one that was never interrupted.
    /// </summary>
    /// <param name="path">A safetensors file, which is complete or absent.</param>
    /// <exception cref="DynConvException">The last step is not finite, or the file cannot be written.</exception>
    public void Save(string path)
    {
        Finish();
        _optimizer.Save(path);
    }

    /// <summary>Reads the place that <see cref="Save"/> has written for the same module and kind of optimizer.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DynConvException">It cannot be read, or is another module's or optimizer's.</exception>
    public void Load(string path)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        DropPending();
        _optimizer.Load(path);
    }

    /// <summary>Waits for the last step and looks at its figures.</summary>
    /// <exception cref="NonFiniteStepException">Its loss or gradient is not finite.</exception>
    public void Finish()
    {
        if (_pending is { } step)
        {
            Complete(step);
        }
    }

    /// <summary>Gives up a step whose figures have not been looked at; the optimizer stays.</summary>
    public void Dispose()
    {
        if (!_isDisposed)
        {
            DropPending();
            _recorded?.Dispose();
            _guard.Dispose();
            _isDisposed = true;
        }
    }

    /// <summary>Waits for a step and looks at its figures, if that has not been done.</summary>
    internal void Complete(TrainingStep step)
    {
        if (step.Read() is { } broken)
        {
            throw Explain(step, broken);
        }

        if (ReferenceEquals(step, _pending))
        {
            _pending = null;
        }
    }

    private static MicroBatch[] EqualParts(ReadOnlySpan<Func<Tensor>> losses)
    {
        var parts = new MicroBatch[losses.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            Func<Tensor> loss = losses[i] ?? throw new ArgumentNullException(nameof(losses));
            parts[i] = new MicroBatch(() => loss(), 1.0 / parts.Length);
        }

        return parts;
    }

    private static MicroBatch[] Checked(ReadOnlySpan<MicroBatch> parts)
    {
        foreach (MicroBatch part in parts)
        {
            ArgumentNullException.ThrowIfNull(part, nameof(parts));
        }

        return parts.Length > 0 ? parts.ToArray() : throw new DynConvException("A training step needs at least one loss.");
    }

    private TrainingStep Queue(MicroBatch[] parts)
    {
        using var scope = new TensorScope();
        try
        {
            Tensor[][]? inputs = MayRecord(parts) ? [.. parts.Select(static part => part.Draw!())] : null;
            StepKind? kind = inputs is null ? null : new StepKind(parts, inputs);
            bool isRepeated = kind is not null && kind.Equals(_last);
            _last = kind;
            if (inputs is not null && RecordedAs(kind!, isRepeated, parts, inputs) is { } recorded)
            {
                return Run(recorded, parts, inputs);
            }

            MicroBatchLoss[] losses =
                [.. parts.Select((part, i) => Accumulate(part, inputs is null ? part.Loss : () => part.LossOf!(inputs[i])))];
            return _optimizer.Device.IsCuda ? UpdateUnseen(parts, losses) : UpdateChecked(parts, losses);
        }
        catch
        {
            // What a failed step leaves in the gradients would be added to the next one's.
            _optimizer.ClearGradients();
            throw;
        }
    }

    /// <summary>Whether a step is made of tensors, and nothing asks to see what it is made of on its way.</summary>
    private bool MayRecord(MicroBatch[] parts) =>
        RecordsSteps
        && _optimizer.Device is { IsCuda: true, IsPreparing: false }
        && _optimizer.Device.Context.Times is null
        && !CudaContext.Synchronous
        && !FiniteCheck.IsOn
        && parts.All(static part => part.Draw is not null)
        && _optimizer.Parameters.All(static pair => pair.Value.Tensor.Slot is not { IsReached: true });

    /// <summary>The recording of a step, made if the step before was of the same kind.</summary>
    private RecordedStep? RecordedAs(StepKind kind, bool isRepeated, MicroBatch[] parts, Tensor[][] inputs)
    {
        if (kind.Equals(_recorded?.Kind))
        {
            return _recorded;
        }

        if (!isRepeated || kind.Equals(_unrecordable))
        {
            return null;
        }

        _recorded?.Dispose();
        _recorded = null;
        try
        {
            return _recorded = new RecordedStep(kind, _optimizer, parts, inputs, Accumulate, GuardedNorm);
        }
        catch (DynConvException exception)
        {
            // Whatever it is: if it is not the recording's fault, the step itself says so next.
            _unrecordable = kind;
            RecordingFailure = exception.Message;
            _optimizer.ClearGradients();
            return null;
        }
    }

    private TrainingStep Run(RecordedStep recorded, MicroBatch[] parts, Tensor[][] inputs)
    {
        recorded.Run(inputs);
        TrainingStep step = Asked(parts, recorded.Losses, recorded.SquaredNorm);
        _optimizer.Step(step.LearningRate, recorded.SquaredNorm, recorded.Gradients);
        RecordedSteps++;
        return step;
    }

    /// <summary>Adds the gradient of a micro-batch.</summary>
    private MicroBatchLoss Accumulate(MicroBatch part, Func<MicroBatchLoss> loss)
    {
        using var scope = new TensorScope();
        Tensor share = Tensor.From([(float)part.Share], [], _optimizer.Device);
        MicroBatchLoss kept = Accumulate(loss, share);
        return new MicroBatchLoss(scope.Keep(kept.Minimized), scope.Keep(kept.Reported));
    }

    private static MicroBatchLoss Accumulate(Func<MicroBatchLoss> compute, Tensor share)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        MicroBatchLoss loss = compute();
        CheckScalar(loss.Minimized);
        CheckScalar(loss.Reported);
        tape.Backward(loss.Minimized, share.Reshape(loss.Minimized.Shape.Dimensions));
        return new MicroBatchLoss(scope.Keep(loss.Minimized), scope.Keep(loss.Reported));
    }

    private static void CheckScalar(Tensor loss)
    {
        if (loss is not { Count: 1, DType: DType.Float32 })
        {
            throw new DynConvException(loss is null
                ? "A loss has to be a float32 number, and there is none."
                : $"A loss has to be a float32 number, and this one is {loss.DType.Name()} {loss.Shape}; take a mean.");
        }
    }

    private TrainingStep UpdateChecked(MicroBatch[] parts, MicroBatchLoss[] losses)
    {
        TrainingStep step = Asked(parts, losses.Select(static loss => loss.Reported), _optimizer.SquaredGradientNorm(Zeros(losses)));
        Complete(step);
        _optimizer.Step(step.LearningRate, step.GradientNorm);
        return step;
    }

    private TrainingStep UpdateUnseen(MicroBatch[] parts, MicroBatchLoss[] losses)
    {
        Tensor squaredNorm = GuardedNorm(losses);
        TrainingStep step = Asked(parts, losses.Select(static loss => loss.Reported), squaredNorm);
        _optimizer.Step(step.LearningRate, squaredNorm);
        return step;
    }

    /// <summary>The squared norm of the gradient, NaN if a loss is not finite, or has not been before.</summary>
    private Tensor GuardedNorm(MicroBatchLoss[] losses)
    {
        Tensor squaredNorm = _optimizer.SquaredGradientNorm([.. Zeros(losses), _guard]);
        Elementwise.ScaleTo(squaredNorm, 0, 0, _guard, accumulate: false);
        return squaredNorm;
    }

    /// <summary>0 times a number is 0 if that is finite and NaN if not, and NaN makes any sum NaN.</summary>
    private static IEnumerable<Tensor> Zeros(MicroBatchLoss[] losses) => losses.Select(loss => Elementwise.Scale(loss.Minimized, 0));

    private TrainingStep Asked(MicroBatch[] parts, IEnumerable<Tensor> losses, Tensor squaredNorm)
    {
        long number = StepCount + 1;
        (PendingValue, double)[] values = [.. losses.Select((loss, i) => (loss.ReadLater(), parts[i].Share))];
        return new TrainingStep(this, number, _schedule?.At(number) ?? _optimizer.LearningRate, parts, values, squaredNorm.ReadLater());
    }

    private NonFiniteStepException Explain(TrainingStep step, string what)
    {
        DropPending();
        _optimizer.StepCount = step.Number - 1;

        // What the first attempt left in the gradients would be blamed on the first op that adds to it.
        _optimizer.ClearGradients();
        string message = NonFiniteFailure.Explain($"Step {step.Number}: {what}", step.LearningRate, () =>
        {
            using var scope = new TensorScope();
            foreach (MicroBatch part in step.Parts)
            {
                Accumulate(part, part.Loss);
            }
        });
        _optimizer.ClearGradients();
        return new NonFiniteStepException(step.Number, message);
    }

    private void DropPending()
    {
        _pending?.Release();
        _pending = null;
        _guard.Clear();
    }
}
