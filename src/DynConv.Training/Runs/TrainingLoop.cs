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

    /// <summary>Each micro-batch's share in the gradient.</summary>
    private readonly Tensor _share;

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
        _share = Scalar(1f / configuration.Accumulate);
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
            (Tensor ids, Tensor targets) = Draw(1, 0);
            _model.TokenLosses(ids, targets);
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
        Tensor[] losses = [.. Enumerable.Range(0, _configuration.Accumulate).Select(micro => Accumulate(step, micro))];
        return _model.Device.IsCuda ? UpdateUnseen(step, losses) : UpdateChecked(step, losses);
    }

    /// <summary>Waits for a step and looks at its figures.</summary>
    /// <exception cref="DynConvException">One of them is not finite; the message names the op that it began with.</exception>
    public void Check(PendingStep pending)
    {
        foreach (PendingValue loss in pending.Losses)
        {
            if (!float.IsFinite(loss.Value))
            {
                throw Explain(pending.Step, $"the loss is {loss.Value}");
            }
        }

        if (!double.IsFinite(pending.GradientNorm))
        {
            throw Explain(pending.Step, $"the norm of the gradient is {pending.GradientNorm}");
        }
    }

    public void Dispose()
    {
        _share.Dispose();
        _guard.Dispose();
    }

    private PendingStep UpdateChecked(long step, Tensor[] losses)
    {
        PendingStep pending = Pending(step, losses, _optimizer.SquaredGradientNorm());
        Check(pending);
        _optimizer.Step(step, pending.LearningRate, pending.GradientNorm);
        return pending;
    }

    private PendingStep UpdateUnseen(long step, Tensor[] losses)
    {
        // 0 times a number is 0 if that is finite and NaN if not, and NaN makes any sum NaN.
        Tensor squaredNorm = _optimizer.SquaredGradientNorm([.. losses.Select(loss => Elementwise.Scale(loss, 0)), _guard]);
        SetGuard(Elementwise.Scale(squaredNorm, 0));
        PendingStep pending = Pending(step, losses, squaredNorm);
        _optimizer.Step(step, pending.LearningRate, squaredNorm);
        return pending;
    }

    private PendingStep Pending(long step, Tensor[] losses, Tensor squaredNorm) =>
        new(step, _schedule.At(step), [.. losses.Select(loss => loss.ReadLater())], squaredNorm.ReadLater());

    private Tensor Accumulate(long step, int micro)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        (Tensor ids, Tensor targets) = Draw(step, micro);
        Tensor loss = _model.Loss(ids, targets);
        tape.Backward(loss, _share);
        return scope.Keep(loss);
    }

    private (Tensor Ids, Tensor Targets) Draw(long step, int micro)
    {
        long first = ((step - 1) * SamplesPerStep) + ((long)micro * _batch);
        for (int i = 0; i < _batch; i++)
        {
            _sampler.Fill(first + i, _ids.AsSpan(i * _context, _context), _targets.AsSpan(i * _context, _context));
        }

        Shape shape = [_batch, _context];
        return (Tensor.From(_ids, shape, _model.Device), Tensor.From(_targets, shape, _model.Device));
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
            for (int micro = 0; micro < _configuration.Accumulate; micro++)
            {
                Accumulate(step, micro).Dispose();
            }
        });
    }
}
