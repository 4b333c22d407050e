using DynConv.Models;
using DynConv.Training.Data;
using DynConv.Training.Optimization;

namespace DynConv.Training.Runs;

/// <summary>The steps of a run: draw sequences, forward, backward, update.</summary>
internal sealed class TrainingLoop(
    TrainingConfiguration configuration, LanguageModel model, AdamWOptimizer optimizer, BatchSampler sampler)
{
    private readonly LearningRateSchedule _schedule = LearningRateSchedule.Of(configuration);
    private readonly int _batch = configuration.Batch!.Value;
    private readonly int _context = configuration.Context!.Value;

    /// <summary>Sequences that one step draws.</summary>
    public long SamplesPerStep => (long)_batch * configuration.Accumulate;

    /// <summary>Tokens that one step learns from.</summary>
    public long TokensPerStep => SamplesPerStep * _context;

    /// <summary>Runs one step.</summary>
    /// <param name="step">From 1.</param>
    /// <returns>Mean loss, learning rate and gradient norm.</returns>
    public (double Loss, double LearningRate, double GradientNorm) Step(long step)
    {
        double loss = 0;
        for (int micro = 0; micro < configuration.Accumulate; micro++)
        {
            double one = Accumulate(step, micro);
            if (!double.IsFinite(one))
            {
                throw Explain(step, $"the loss is {one}");
            }

            loss += one / configuration.Accumulate;
        }

        double norm = optimizer.GradientNorm();
        if (!double.IsFinite(norm))
        {
            throw Explain(step, $"the norm of the gradient is {norm}");
        }

        double learningRate = _schedule.At(step);
        optimizer.Step(step, learningRate, norm);
        return (loss, learningRate, norm);
    }

    private double Accumulate(long step, int micro)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        (Tensor ids, Tensor targets) = Draw(step, micro);
        Tensor loss = model.Loss(ids, targets);
        Tensor share = Tensor.From([1f / configuration.Accumulate], [1], model.Device).Reshape([]);
        tape.Backward(loss, share);
        return loss.Item();
    }

    private (Tensor Ids, Tensor Targets) Draw(long step, int micro)
    {
        var ids = new int[_batch * _context];
        var targets = new int[ids.Length];
        long first = ((step - 1) * SamplesPerStep) + ((long)micro * _batch);
        for (int i = 0; i < _batch; i++)
        {
            sampler.Fill(first + i, ids.AsSpan(i * _context, _context), targets.AsSpan(i * _context, _context));
        }

        Shape shape = [_batch, _context];
        return (Tensor.From(ids, shape, model.Device), Tensor.From(targets, shape, model.Device));
    }

    private DynConvException Explain(long step, string what)
    {
        // What the first attempt left in the gradients would be blamed on the first op that adds to it.
        optimizer.ClearGradients();
        return NonFiniteFailure.Explain($"Step {step}: {what}", _schedule.At(step), () =>
        {
            for (int micro = 0; micro < configuration.Accumulate; micro++)
            {
                Accumulate(step, micro);
            }
        });
    }
}
