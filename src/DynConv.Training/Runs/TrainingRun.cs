using System.Diagnostics;
using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Serialization;
using DynConv.Training.Data;
using DynConv.Training.Evaluation;
using DynConv.Training.Optimization;

namespace DynConv.Training.Runs;

/// <summary>How a run ended.</summary>
/// <param name="Folder">The run's folder; holds the model unless the run was interrupted.</param>
/// <param name="Steps">Steps done.</param>
/// <param name="Interrupted">Whether it was asked to stop before its last step.</param>
/// <param name="Validation">Of the finished model; null if interrupted.</param>
/// <param name="Checkpoint">The newest checkpoint; null if there is none yet.</param>
/// <param name="Seconds">Time spent, earlier parts of a resumed run included.</param>
/// <param name="PeakMemoryBytes">The most memory that tensors took at a time on the device.</param>
/// <param name="Device">Where it computed.</param>
/// <param name="ComputeType">What it computed in.</param>
/// <param name="SamplePrompt">The first tokens of the validation text, to continue as a sample.</param>
public sealed record TrainingResult(
    string Folder,
    long Steps,
    bool Interrupted,
    EvaluationResult? Validation,
    string? Checkpoint,
    double Seconds,
    long PeakMemoryBytes,
    Device Device,
    DType ComputeType,
    IReadOnlyList<int> SamplePrompt);

/// <summary>
/// Trains a model from text files into a folder: <c>config.json</c>, <c>model.safetensors</c>, <c>tokenizer.json</c>,
/// <c>run.yaml</c>, <c>metrics.jsonl</c>, <c>loss.svg</c> and <c>checkpoints</c>.
/// </summary>
public sealed class TrainingRun
{
    private readonly TrainingConfiguration _configuration;
    private readonly string _folder;
    private readonly string? _gridFolder;
    private readonly ITrainingObserver _observer;
    private readonly CheckpointStore _checkpoints;
    private bool _holdsResults;

    private TrainingRun(TrainingConfiguration configuration, string folder, ITrainingObserver observer, string? gridFolder)
    {
        _gridFolder = gridFolder;
        _configuration = configuration;
        _folder = folder;
        _observer = observer;
        _checkpoints = new CheckpointStore(folder);
    }

    /// <summary>Starts a run in a folder that holds none. Bad input leaves nothing behind.</summary>
    /// <param name="configuration">What to train, resolved or not.</param>
    /// <param name="folder">Made if it is not there.</param>
    /// <param name="observer">Hears of the progress.</param>
    /// <param name="stop">Asks for an end after the step that is running; a checkpoint is written.</param>
    public static TrainingResult Start(
        TrainingConfiguration configuration, string folder, ITrainingObserver observer, CancellationToken stop = default) =>
        Start(configuration, folder, null, observer, stop);

    /// <summary>Starts a run of a grid, whose folder keeps the encoded text for all its runs in <c>data</c>.</summary>
    internal static TrainingResult Start(
        TrainingConfiguration configuration, string folder, string? gridFolder, ITrainingObserver observer, CancellationToken stop)
    {
        TrainingConfiguration resolved = configuration.Resolve();
        RunFolder claimed = RunFolder.Claim(folder);
        var run = new TrainingRun(resolved, folder, observer, gridFolder);
        try
        {
            return run.Execute(stop);
        }
        catch when (!run._holdsResults)
        {
            claimed.Discard();
            throw;
        }
    }

    /// <summary>Continues a run from its newest checkpoint, or from the start if it has none.</summary>
    /// <param name="folder">A run's folder.</param>
    /// <param name="observer">Hears of the progress.</param>
    /// <param name="stop">Asks for an end after the step that is running; a checkpoint is written.</param>
    public static TrainingResult Resume(string folder, ITrainingObserver observer, CancellationToken stop = default) =>
        Resume(folder, null, observer, stop);

    /// <summary>Continues a run of a grid.</summary>
    internal static TrainingResult Resume(string folder, string? gridFolder, ITrainingObserver observer, CancellationToken stop)
    {
        string path = Path.Combine(folder, RunFile.Name);
        return File.Exists(path)
            ? new TrainingRun(RunFile.Read(path).Resolve(), folder, observer, gridFolder).Execute(stop)
            : throw new DynConvException($"{folder} holds no run to resume: there is no {path}.");
    }

    private TrainingResult Execute(CancellationToken stop)
    {
        ITokenizer tokenizer = TokenizerLoader.Load(_configuration.TokenizerPath);
        ModelConfiguration shape = _configuration.ModelConfiguration(tokenizer.VocabularySize);

        // Written first, so that a run can be resumed whatever moment it dies at.
        AtomicFile.WriteAllText(Path.Combine(_folder, RunFile.Name), RunFile.ToYaml(_configuration));
        using TrainingData data = PrepareData(tokenizer, stop);
        string fingerprint = data.Train.Fingerprint + data.Validation.Fingerprint;
        var sampler = new BatchSampler(data.Train, _configuration.Context!.Value, _configuration.Seed);
        Device device = Device.Parse(_configuration.Device);
        DType computeType = ComputeTypes.Parse(_configuration.Dtype, device);
        CheckMemory(shape, device);
        device.Memory.ResetPeak();
        using LanguageModel model = MakeModel(shape, device, computeType);
        using var optimizer = new AdamWOptimizer(model, _configuration);
        RunState state = _checkpoints.LoadLatest(model, optimizer) ?? new RunState(0, fingerprint, 0, 0);
        if (state.Data != fingerprint)
        {
            throw new DynConvException($"The text has changed since {_folder} was started, so the run cannot be continued; start a new one.");
        }

        _observer.OnStart(new RunStart(
            _configuration, shape, model.ParameterCount, data.Train.Tokens, data.Validation.Tokens, state.Step + 1, device, computeType));

        using var metrics = new MetricsLog(_folder, state.MetricsBytes);
        using var loop = new TrainingLoop(_configuration, model, optimizer, sampler);
        var clock = new RunClock(state.Seconds, PlanValidations(data.Validation), loop.TokensPerStep);
        Prepare(device, loop);
        long steps = _configuration.Steps!.Value;
        using var queue = new StepQueue(loop, clock, figures =>
        {
            metrics.Write(figures);
            _holdsResults = true;
            _observer.OnStep(figures);
        });
        long step = state.Step;
        while (step < steps && !stop.IsCancellationRequested)
        {
            step++;
            queue.Run(step);
            if (IsDue(step, _configuration.ValidateEvery!.Value) && step < steps)
            {
                queue.Drain();
                Validate(model, data.Validation, metrics, clock, step, _configuration.ValidationTokens);
            }

            if (IsDue(step, _configuration.CheckpointEvery!.Value) || step == steps || stop.IsCancellationRequested)
            {
                queue.Drain();
                Checkpoint(model, optimizer, new RunState(step, fingerprint, metrics.Length, clock.Seconds));
            }
        }

        bool finished = step == steps;
        EvaluationResult? result = finished ? Validate(model, data.Validation, metrics, clock, step, long.MaxValue) : null;
        if (finished)
        {
            Finish(model, tokenizer);
        }

        return new TrainingResult(
            _folder,
            step,
            !finished,
            result,
            _checkpoints.Latest,
            clock.Seconds,
            device.Memory.PeakLiveBytes,
            device,
            computeType,
            SamplePrompt(data.Validation));
    }

    /// <summary>Weights as they are before the first step; a checkpoint's come over them.</summary>
    private LanguageModel MakeModel(ModelConfiguration shape, Device device, DType computeType) =>
        _configuration.Init is { } folder && _checkpoints.Latest is null
            ? ModelFolder.LoadInto(folder, shape, _configuration.Seed, device, computeType)
            : new LanguageModel(shape, _configuration.Seed, device, computeType);

    /// <summary>Weights, gradients and two moments, 4 bytes each, are the least that training takes.</summary>
    private static void CheckMemory(ModelConfiguration shape, Device device)
    {
        const double BytesPerParameter = 16;
        const double Gibibyte = 1 << 30;
        long parameters = ParameterCounts.Of(shape).Total;
        long machine = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (!device.IsCuda && parameters * BytesPerParameter > machine)
        {
            throw new DynConvException(
                $"Training {parameters:N0} parameters takes {parameters * BytesPerParameter / Gibibyte:N0} GiB at least, and this machine has {machine / Gibibyte:N0} GiB.");
        }
    }

    private void Prepare(Device device, TrainingLoop loop)
    {
        if (device.IsCuda)
        {
            _observer.OnPreparing();
            var watch = Stopwatch.StartNew();
            int kernels = loop.Prepare();
            _observer.OnPrepared(kernels, watch.Elapsed.TotalSeconds);
        }
    }

    private static int[] SamplePrompt(TokenDataset validation)
    {
        const int Length = 24;
        var prompt = new int[(int)Math.Min(Length, validation.Tokens)];
        validation.CopyTo(0, prompt);
        return prompt;
    }

    private TrainingData PrepareData(ITokenizer tokenizer, CancellationToken stop)
    {
        string home = _gridFolder ?? _folder;
        var options = new TrainingDataOptions
        {
            Paths = _configuration.Data,
            ValidationPaths = _configuration.Valid,
            Except = [home],
            CacheFolder = Path.Combine(home, "data"),
            Context = _configuration.Context!.Value,
            Encoding = new EncodingOptions
            {
                Progress = new EncodingReport(_observer),
                Cancellation = stop,
            },
        };
        TrainingData data = TrainingData.Prepare(options, tokenizer);
        try
        {
            Evaluator.CheckMeasurable(data.Validation, options.Context, _configuration.Pack);
            return data;
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }

    private ValidationPlan PlanValidations(TokenDataset validation)
    {
        int context = _configuration.Context!.Value;
        return new ValidationPlan(
            _configuration.Steps!.Value,
            _configuration.ValidateEvery!.Value,
            context,
            Evaluator.CountWindows(validation, context, _configuration.ValidationTokens),
            Evaluator.CountWindows(validation, context, long.MaxValue));
    }

    private static bool IsDue(long step, long interval) => interval > 0 && step % interval == 0;

    private EvaluationResult Validate(
        LanguageModel model, TokenDataset valid, MetricsLog metrics, RunClock clock, long step, long maxTokens)
    {
        int context = _configuration.Context!.Value;
        var progress = new ValidationReport(_observer, clock, step);
        EvaluationResult Evaluate() => Evaluator.Evaluate(
            model, valid, context, Evaluator.DefaultBatch(context), maxTokens, _configuration.Pack, progress);

        clock.Begin();
        EvaluationResult result = Evaluate();
        if (!double.IsFinite(result.Loss))
        {
            double learningRate = LearningRateSchedule.Of(_configuration).At(step);
            throw NonFiniteFailure.Explain($"Step {step}: the validation loss is {result.Loss}", learningRate, () => Evaluate());
        }

        metrics.Write(step, result);
        _observer.OnValidation(step, result);
        return result;
    }

    private void Checkpoint(LanguageModel model, AdamWOptimizer optimizer, RunState state)
    {
        string? previous = _checkpoints.Latest;
        string path;
        try
        {
            path = _checkpoints.Save(model, optimizer, state);
        }
        catch (DynConvException exception) when (previous is not null)
        {
            throw new DynConvException($"{exception.Message} {previous} is complete; make room and continue with --resume.", exception);
        }

        DrawLoss();
        _observer.OnCheckpoint(state.Step, path);
    }

    private void Finish(LanguageModel model, ITokenizer tokenizer)
    {
        ModelFolder.Save(_folder, model, tokenizer);
        DrawLoss();
    }

    private void DrawLoss()
    {
        RunCurves run = RunCurves.Read(_folder);
        var curves = new List<LossCurve> { new("training", run.Training, Faint: true) };
        if (run.Validation.Count > 0)
        {
            curves.Add(new LossCurve("validation", run.Validation));
        }

        string title = $"{_configuration.ModelName()}, convolutions: {_configuration.ConvName}";
        AtomicFile.WriteAllText(Path.Combine(_folder, "loss.svg"), LossChart.Draw(title, curves));
    }

    private sealed class ValidationReport(ITrainingObserver observer, RunClock clock, long step) : IProgress<EvaluationProgress>
    {
        public void Report(EvaluationProgress value) => observer.OnValidating(step, value, clock.Left(step, value));
    }

    private sealed class EncodingReport(ITrainingObserver observer) : IProgress<EncodingProgress>
    {
        public void Report(EncodingProgress value) => observer.OnEncoding(value.BytesRead, value.TotalBytes);
    }
}
