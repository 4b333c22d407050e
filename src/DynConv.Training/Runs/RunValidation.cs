using DynConv.Models;
using DynConv.Optimizers;
using DynConv.Training.Data;
using DynConv.Training.Evaluation;
using DynConv.Training.Optimization;

namespace DynConv.Training.Runs;

/// <summary>Measures the model of a run on its validation text.</summary>
internal sealed class RunValidation(
    TrainingConfiguration configuration, LanguageModel model, TrainingData data, RunClock clock, ITrainingObserver observer)
{
    private readonly int _context = configuration.Context!.Value;

    /// <summary>The validations that a run is going to make.</summary>
    public static ValidationPlan Plan(TrainingConfiguration configuration, TokenDataset validation)
    {
        int context = configuration.Context!.Value;
        return new ValidationPlan(
            configuration.Steps!.Value,
            configuration.ValidateEvery!.Value,
            context,
            Evaluator.CountWindows(validation, context, configuration.ValidationTokens),
            Evaluator.CountWindows(validation, context, long.MaxValue));
    }

    /// <summary>Measures and tells the observer; null if a request to stop came first.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="maxTokens">The most tokens to look at.</param>
    /// <param name="stop">Asks for an end.</param>
    /// <exception cref="DynConvException">The loss is not finite.</exception>
    public EvaluationResult? Run(long step, long maxTokens, CancellationToken stop)
    {
        clock.Begin();
        EvaluationResult? result = Measure(maxTokens, stop, new Progress(observer, clock, step));
        if (result is null)
        {
            return null;
        }

        if (!double.IsFinite(result.Loss))
        {
            double learningRate = ScheduleSettings.Of(configuration).At(step);
            throw new DynConvException(NonFiniteFailure.Explain(
                $"Step {step}: the validation loss is {result.Loss}", learningRate, () => Measure(maxTokens, CancellationToken.None)));
        }

        observer.OnValidation(step, result);
        return result;
    }

    /// <summary>Measures, and tells nobody; null if a request to stop came first.</summary>
    public EvaluationResult? Measure(long maxTokens, CancellationToken stop, IProgress<EvaluationProgress>? progress = null)
    {
        try
        {
            return Measure(data.Validation, maxTokens, progress, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Measures on what was held out of each source of a mixture; nothing without a mixture.</summary>
    public IReadOnlyList<(string Source, EvaluationResult Result)> MeasureSources() =>
    [
        .. from source in data.Sources
           where data.Sources.Count > 1 && source.Validation is not null
           select (source.Name, Measure(source.Validation!, configuration.ValidationTokens)),
    ];

    private EvaluationResult Measure(
        TokenDataset text, long maxTokens, IProgress<EvaluationProgress>? progress = null, CancellationToken stop = default) =>
        Evaluator.Evaluate(
            model, text, _context, Evaluator.DefaultBatch(_context), maxTokens, configuration.Pack, progress, stop);

    private sealed class Progress(ITrainingObserver observer, RunClock clock, long step) : IProgress<EvaluationProgress>
    {
        public void Report(EvaluationProgress value) => observer.OnValidating(step, value, clock.Left(step, value));
    }
}
