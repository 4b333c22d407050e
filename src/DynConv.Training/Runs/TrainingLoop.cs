using DynConv.Models;
using DynConv.Ops;
using DynConv.Training.Data;
using DynConv.Training.Optimization;

namespace DynConv.Training.Runs;

/// <summary>The steps of a run: draw sequences, forward, backward, update.</summary>
/// <remarks>
/// A GPU works through a step while the host queues the next: no figure is read within a step. A step whose loss or
/// gradient is not finite changes no parameter, and neither does any after it, so that the host, which finds out later,
/// can run that step again as it was.
/// </remarks>
internal sealed class TrainingLoop : IDisposable
{
    private readonly TrainingConfiguration _configuration;
    private readonly LanguageModel _model;
    private readonly AdamWOptimizer _optimizer;
    private readonly BatchSampler _sampler;
    private readonly LearningRateSchedule _schedule;
    private readonly int _batch;
    private readonly int _context;
    private readonly int[] _ids;
    private readonly int[] _targets;

    /// <summary>0 as long as all has been finite, then NaN.</summary>
    private Tensor _guard;

    public TrainingLoop(
        TrainingConfiguration configuration, LanguageModel model, AdamWOptimizer optimizer, BatchSampler sampler)
    {
        _configuration = configuration;
        _model = model;
        _optimizer = optimizer;
        _sampler = sampler;
        _schedule = LearningRateSchedule.Of(configuration);
        _batch = configuration.Batch!.Value;
        _context = configuration.Context!.Value;
        _ids = new int[_batch * _context];
        _targets = new int[_ids.Length];
        _guard = Scalar(0);
    }

    /// <summary>Sequences that one step draws.</summary>
    public long SamplesPerStep => (long)_batch * _configuration.Accumulate;

    /// <summary>Tokens that one step learns from.</summary>
    public long TokensPerStep => SamplesPerStep * _context;

    /// <summary>Steps that are worth queueing before the figures of the first are asked for.</summary>
    public int StepsAhead => _model.Device.IsCuda ? 1 : 0;

    /// <summary>Compiles all kernels that the run's steps and validations need.</summary>
    /// <returns>How many this process did not have yet.</returns>
    public int Prepare()
    {
        int kernels = _model.Device.Prepare(() =>
        {
            using var scope = new TensorScope();
            Begin(1).Dispose();
            (Tensor ids, Tensor targets, PackedSequences? packed) = Draw(1, 0);
            using (packed)
            {
                _model.TokenLosses(ids, targets, packed);
            }
        });

        // Nothing was computed, so what it holds now means nothing.
        SetGuard(Scalar(0));
        return kernels;
    }

    /// <summary>Queues a step; on the CPU it is done when this returns.</summary>
    /// <param name="step">From 1.</param>
    public PendingStep Begin(long step)
    {
        using var scope = new TensorScope();
        MicroBatchLoss[] losses = Accumulate(step);
        return _model.Device.IsCuda ? UpdateUnseen(step, losses) : UpdateChecked(step, losses);
    }

    /// <summary>Waits for a step and looks at its figures.</summary>
    /// <exception cref="DynConvException">One of them is not finite; the message names the op that it began with.</exception>
    public void Check(PendingStep pending)
    {
        foreach ((PendingValue mean, _) in pending.Losses)
        {
            if (!float.IsFinite(mean.Value))
            {
                throw Explain(pending.Step, $"the loss is {mean.Value}");
            }
        }

        if (!double.IsFinite(pending.GradientNorm))
        {
            throw Explain(pending.Step, $"the norm of the gradient is {pending.GradientNorm}");
        }
    }

    public void Dispose() => _guard.Dispose();

    private PendingStep UpdateChecked(long step, MicroBatchLoss[] losses)
    {
        PendingStep pending = Pending(step, losses, _optimizer.SquaredGradientNorm(Zeros(losses)));
        Check(pending);
        _optimizer.Step(step, pending.LearningRate, pending.GradientNorm);
        return pending;
    }

    private PendingStep UpdateUnseen(long step, MicroBatchLoss[] losses)
    {
        Tensor squaredNorm = _optimizer.SquaredGradientNorm([.. Zeros(losses), _guard]);
        SetGuard(Elementwise.Scale(squaredNorm, 0));
        PendingStep pending = Pending(step, losses, squaredNorm);
        _optimizer.Step(step, pending.LearningRate, squaredNorm);
        return pending;
    }

    /// <summary>0 times a number is 0 if that is finite and NaN if not, and NaN makes any sum NaN.</summary>
    private static IEnumerable<Tensor> Zeros(MicroBatchLoss[] losses) => losses.Select(loss => Elementwise.Scale(loss.Total, 0));

    private PendingStep Pending(long step, MicroBatchLoss[] losses, Tensor squaredNorm) =>
        new(step, _schedule.At(step), [.. losses.Select(loss => (loss.Mean.ReadLater(), loss.Targets))], squaredNorm.ReadLater());

    /// <summary>Adds the gradient of the mean over all targets of a step.</summary>
    private MicroBatchLoss[] Accumulate(long step)
    {
        long[] targets = [.. Enumerable.Range(0, _configuration.Accumulate).Select(micro => CountTargets(step, micro))];
        double all = Math.Max(1, targets.Sum());
        return [.. targets.Select((count, micro) => Accumulate(step, micro, count, (float)(count / all)))];
    }

    private MicroBatchLoss Accumulate(long step, int micro, long count, float share)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        (Tensor ids, Tensor targets, PackedSequences? packed) = Draw(step, micro);
        using (packed)
        {
            (Tensor total, Tensor crossEntropy) = _model.LossParts(ids, targets, packed);
            tape.Backward(total, Tensor.From([share], Shape.Create([]), _model.Device));
            return new MicroBatchLoss(scope.Keep(total), scope.Keep(crossEntropy), count);
        }
    }

    private long CountTargets(long step, int micro) => _configuration.Pack
        ? _sampler.CountPackedTargets(FirstSample(step, micro), _batch)
        : _ids.Length;

    private long FirstSample(long step, int micro) => ((step - 1) * SamplesPerStep) + ((long)micro * _batch);

    private (Tensor Ids, Tensor Targets, PackedSequences? Packed) Draw(long step, int micro) =>
        _configuration.Pack ? DrawPacked(FirstSample(step, micro)) : DrawWindows(FirstSample(step, micro));

    private (Tensor Ids, Tensor Targets, PackedSequences? Packed) DrawPacked(long first)
    {
        PackedBatch batch = _sampler.Pack(first, _batch);
        Shape shape = [1, batch.Ids.Length];
        return (Tensor.From(batch.Ids, shape, _model.Device), Tensor.From(batch.Targets, shape, _model.Device), batch.Sequences());
    }

    private (Tensor Ids, Tensor Targets, PackedSequences? Packed) DrawWindows(long first)
    {
        for (int i = 0; i < _batch; i++)
        {
            _sampler.Fill(first + i, _ids.AsSpan(i * _context, _context), _targets.AsSpan(i * _context, _context));
        }

        Shape shape = [_batch, _context];
        return (Tensor.From(_ids, shape, _model.Device), Tensor.From(_targets, shape, _model.Device), null);
    }

    private Tensor Scalar(float value) =>
        TensorScope.Release(Tensor.From([value], Shape.Create([]), _model.Device));

    private void SetGuard(Tensor guard)
    {
        _guard.Dispose();
        _guard = TensorScope.Release(guard);
    }

    private DynConvException Explain(long step, string what)
    {
        // What the first attempt left in the gradients would be blamed on the first op that adds to it.
        _optimizer.ClearGradients();
        return NonFiniteFailure.Explain($"Step {step}: {what}", _schedule.At(step), () =>
        {
            using var scope = new TensorScope();
            Accumulate(step);
        });
    }

    /// <summary>What became of a micro-batch.</summary>
    /// <param name="Total">What was minimised.</param>
    /// <param name="Mean">The mean cross-entropy of its targets.</param>
    /// <param name="Targets">How many count.</param>
    private sealed record MicroBatchLoss(Tensor Total, Tensor Mean, long Targets);
}
