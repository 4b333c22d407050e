using DynConv.Models;
using DynConv.Ops;
using DynConv.Optimizers;
using DynConv.Training.Data;
using DynConv.Training.Optimization;

namespace DynConv.Training.Runs;

/// <summary>The steps of a run: what each draws from the text is the loss of a trainer's step.</summary>
internal sealed class TrainingLoop : IDisposable
{
    private readonly TrainingConfiguration _configuration;
    private readonly LanguageModel _model;
    private readonly BatchSampler _sampler;
    private readonly Trainer _trainer;
    private readonly int _batch;
    private readonly int _context;
    private readonly int[] _ids;
    private readonly int[] _targets;

    /// <summary>Bounds of packed sequences, which backward passes read.</summary>
    private readonly List<PackedSequences> _packed = [];

    public TrainingLoop(
        TrainingConfiguration configuration, LanguageModel model, Optimizer optimizer, BatchSampler sampler)
    {
        _configuration = configuration;
        _model = model;
        model.RecomputesLayers = configuration.Recompute;
        _sampler = sampler;
        _trainer = new Trainer(optimizer, ScheduleSettings.Of(configuration));
        _batch = configuration.Batch!.Value;
        _context = configuration.Context!.Value;
        _ids = new int[_batch * _context];
        _targets = new int[_ids.Length];
    }

    /// <summary>Sequences that one step draws.</summary>
    public long SamplesPerStep => (long)_batch * _configuration.Accumulate;

    /// <summary>Tokens that one step learns from.</summary>
    public long TokensPerStep => SamplesPerStep * _context;

    /// <summary>Whether a step is under way when <see cref="Step"/> returns, and the next is worth queueing before its figures are asked for.</summary>
    public bool IsQueued => _model.Device.IsCuda;

    /// <summary>Steps so far that ran as a recording.</summary>
    public long RecordedSteps => _trainer.RecordedSteps;

    /// <summary>Why steps could not be recorded; null if nothing stood in the way.</summary>
    public string? RecordingFailure => _trainer.RecordingFailure;

    /// <summary>Compiles all kernels that the run's steps and validations need.</summary>
    /// <returns>How many this process did not have yet.</returns>
    public int Prepare() => WithBounds(() => _trainer.Prepare(Parts(1)) + _model.Device.Prepare(() =>
    {
        using var scope = new TensorScope();
        if (_configuration.Pack)
        {
            (Tensor ids, Tensor targets, PackedSequences? packed) = DrawPacked(0);
            _model.TokenLosses(ids, targets, packed);
        }
        else
        {
            Tensor[] drawn = DrawWindows(0);
            _model.TokenLosses(drawn[0], drawn[1]);
        }
    }));

    /// <summary>Makes the next step.</summary>
    /// <exception cref="NonFiniteStepException">A figure is not finite; the message names the op that it began with.</exception>
    public TrainingStep Step() => WithBounds(() => _trainer.Step(Parts(_trainer.StepCount + 1)));

    public void Dispose() => _trainer.Dispose();

    /// <summary>Micro-batches whose losses are means over all targets of the step together.</summary>
    private MicroBatch[] Parts(long step)
    {
        long[] targets = [.. Enumerable.Range(0, _configuration.Accumulate).Select(micro => CountTargets(step, micro))];
        double all = Math.Max(1, targets.Sum());
        return [.. targets.Select((count, micro) => _configuration.Pack
            ? new MicroBatch(() => PackedLoss(FirstSample(step, micro)), count / all)
            : MicroBatch.Of(() => DrawWindows(FirstSample(step, micro)), WindowsLoss, count / all))];
    }

    private MicroBatchLoss WindowsLoss(Tensor[] drawn) => Loss(drawn[0], drawn[1], null);

    private MicroBatchLoss PackedLoss(long first)
    {
        (Tensor ids, Tensor targets, PackedSequences? packed) = DrawPacked(first);
        return Loss(ids, targets, packed);
    }

    private MicroBatchLoss Loss(Tensor ids, Tensor targets, PackedSequences? packed)
    {
        (Tensor total, Tensor crossEntropy) = _model.LossParts(ids, targets, packed);
        return new MicroBatchLoss(total, crossEntropy);
    }

    private T WithBounds<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        finally
        {
            _packed.ForEach(packed => packed.Dispose());
            _packed.Clear();
        }
    }

    private long CountTargets(long step, int micro) => _configuration.Pack
        ? _sampler.CountPackedTargets(FirstSample(step, micro), _batch)
        : _ids.Length;

    private long FirstSample(long step, int micro) => ((step - 1) * SamplesPerStep) + ((long)micro * _batch);

    private (Tensor Ids, Tensor Targets, PackedSequences? Packed) DrawPacked(long first)
    {
        PackedBatch batch = _sampler.Pack(first, _batch);
        Shape shape = [1, batch.Ids.Length];
        PackedSequences packed = batch.Sequences();
        _packed.Add(packed);
        return (Tensor.From(batch.Ids, shape, _model.Device), Tensor.From(batch.Targets, shape, _model.Device), packed);
    }

    private Tensor[] DrawWindows(long first)
    {
        for (int i = 0; i < _batch; i++)
        {
            _sampler.Fill(first + i, _ids.AsSpan(i * _context, _context), _targets.AsSpan(i * _context, _context));
        }

        Shape shape = [_batch, _context];
        return [Tensor.From(_ids, shape, _model.Device), Tensor.From(_targets, shape, _model.Device)];
    }
}
