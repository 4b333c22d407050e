using System.Diagnostics;
using DynConv.Models;
using DynConv.Modules;
using DynConv.Optimizers;

namespace DynConv.Experiments.Recall;

/// <summary>Trains one model on one task.</summary>
internal sealed class RecallTrainer : IDisposable
{
    // Chosen on more keys than a point of the curve shows, and on other sequences than the result is measured on.
    private const int ValidationKeys = 1024;
    private const int CurveKeys = 128;
    private const double Warmup = 0.1;

    private readonly RecallSettings _settings;
    private readonly RecallRun _run;
    private readonly LanguageModel _model;
    private readonly AdamWOptimizer _optimizer;
    private readonly Trainer _trainer;
    private readonly RecallSequences _training;
    private readonly RandomSource _pairs;
    private long _drawn;

    public RecallTrainer(RecallSettings settings, RecallRun run, Device device)
    {
        using var guard = new ReleaseGuard();
        _settings = settings;
        _run = run;
        ModelConfiguration shape = settings.Model.Configuration(
            run.Task.VocabularySize, settings.LongestSequence(run.Task), run.Conv);
        _model = new LanguageModel(shape, (ulong)run.Seed, device);
        _optimizer = new AdamWOptimizer(_model, new AdamWSettings { WeightDecay = settings.WeightDecay });
        _trainer = new Trainer(_optimizer, new LearningRateSchedule(
            ScheduleKind.Cosine, run.LearningRate, Final: 0, settings.Steps, (long)Math.Round(settings.Steps * Warmup)));
        _training = new RecallSequences(run.Task, (ulong)run.Seed, RecallSplit.Train);
        _pairs = new RandomSource((ulong)run.Seed).Fork("recall.pairs");
        guard.Commit();
    }

    public RecallOutcome Train(IRecallObserver? observer, CancellationToken stop)
    {
        var watch = Stopwatch.StartNew();
        var curve = new List<RecallPoint>();
        bool diverged = false;
        try
        {
            MakeSteps(curve, observer, stop);
        }
        catch (NonFiniteStepException)
        {
            diverged = true;
        }

        double validation = diverged ? 0 : Measure(RecallSplit.Validation, ValidationKeys).Average();
        double[] accuracy = diverged ? new double[_settings.Pairs.Count] : Measure(RecallSplit.Test, _settings.TestKeys);
        return new RecallOutcome(_run, _model.ParameterCount, validation, accuracy, curve, diverged, watch.Elapsed.TotalSeconds);
    }

    public void Dispose()
    {
        _trainer.Dispose();
        _optimizer.Dispose();
        _model.Dispose();
    }

    private bool IsPoint(int step) =>
        (long)step * _settings.CurvePoints / _settings.Steps > (step - 1L) * _settings.CurvePoints / _settings.Steps;

    private void MakeSteps(List<RecallPoint> curve, IRecallObserver? observer, CancellationToken stop)
    {
        var since = new List<TrainingStep>();
        for (int step = 1; step <= _settings.Steps; step++)
        {
            stop.ThrowIfCancellationRequested();
            RecallBatch batch = Draw();
            since.Add(_trainer.Step(() => _model.Loss(batch.Ids(_model.Device), batch.Answers(_model.Device))));
            if (IsPoint(step))
            {
                double loss = since.Sum(one => one.Loss) / since.Count;
                curve.Add(new RecallPoint(step, loss, Measure(RecallSplit.Validation, CurveKeys)));
                observer?.OnSteps(_run, step, loss);
                since.Clear();
            }
        }

        _trainer.Finish();
    }

    private RecallBatch Draw()
    {
        int pairs = _settings.Pairs[_pairs.Below(_settings.Pairs.Count)];
        int length = _run.Task.Length(pairs);
        int sequences = Math.Max(1, _settings.TokensPerStep / length);
        var batch = RecallBatch.Draw(_training, _drawn, sequences, pairs, length);
        _drawn += sequences;
        return batch;
    }

    // The same sequences for all kinds and seeds: what differs is the model alone.
    private double[] Measure(RecallSplit split, int keys)
    {
        var sequences = new RecallSequences(_run.Task, seed: 0, split);
        return [.. _settings.Pairs.Select(pairs => RecallAccuracy.Measure(
            _model, sequences, _run.Task.Length(pairs), pairs, (keys + pairs - 1) / pairs))];
    }
}
