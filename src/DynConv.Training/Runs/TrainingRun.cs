using System.Diagnostics;
using DynConv.Diagnostics;
using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Optimizers;
using DynConv.Serialization;
using DynConv.Training.Data;
using DynConv.Training.Evaluation;
using DynConv.Training.Optimization;

namespace DynConv.Training.Runs;

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
    private readonly bool _isResumed;
    private bool _hasMoved;
    private bool _holdsResults;

    private TrainingRun(
        TrainingConfiguration configuration, string folder, ITrainingObserver observer, string? gridFolder, bool isResumed)
    {
        _isResumed = isResumed;
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
        using RunFolder claimed = RunFolder.Claim(folder);
        var run = new TrainingRun(resolved, folder, observer, gridFolder, isResumed: false);
        try
        {
            return run.Execute(null, stop);
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
    /// <exception cref="DynConvException">
    /// The folder holds no run, another process has it, none of its checkpoints can be used, or its settings are not
    /// those that it was started with.
    /// </exception>
    public static TrainingResult Resume(string folder, ITrainingObserver observer, CancellationToken stop = default) =>
        Resume(folder, null, observer, static saved => saved, stop);

    /// <summary>Continues a run with other settings, beyond its planned end for instance.</summary>
    /// <param name="folder">A run's folder.</param>
    /// <param name="observer">Hears of the progress.</param>
    /// <param name="change">
    /// Changes settings that may change, as <see cref="ResumeRules.MayChange"/> lists them, and gives
    /// <see cref="TrainingConfiguration.Mixers"/> where they are not this library's.
    /// </param>
    /// <param name="stop">Asks for an end after the step that is running; a checkpoint is written.</param>
    /// <exception cref="DynConvException">As without changes, or a setting has changed that may not.</exception>
    public static TrainingResult Resume(
        string folder,
        ITrainingObserver observer,
        Func<TrainingConfiguration, TrainingConfiguration> change,
        CancellationToken stop = default) =>
        Resume(folder, null, observer, change, stop);

    /// <summary>Continues a run of a grid.</summary>
    internal static TrainingResult Resume(
        string folder,
        string? gridFolder,
        ITrainingObserver observer,
        Func<TrainingConfiguration, TrainingConfiguration> change,
        CancellationToken stop)
    {
        using RunFolder opened = RunFolder.Open(folder);
        string path = Path.Combine(folder, RunFile.Name);
        TrainingConfiguration saved = RunFile.Read(path);
        TrainingConfiguration asked = change(saved).Resolve();
        if (ResumeRules.Difference(saved, asked) is { } changed)
        {
            throw new DynConvException(
                $"--resume continues a run as it was started, and '{changed.Show(changed.Now)}' is not what {path} says; leave the option out or start a new run.");
        }

        (TrainingConfiguration before, TrainingConfiguration now) = (RunPaths.Absolute(saved), RunPaths.Absolute(asked));
        var run = new TrainingRun(asked, folder, observer, gridFolder, isResumed: true)
        {
            _hasMoved = !before.Data.SequenceEqual(now.Data) || !before.Valid.SequenceEqual(now.Valid),
        };
        return run.Execute(run.FindCheckpoint(), stop);
    }

    private Checkpoint? FindCheckpoint()
    {
        Checkpoint? found = _checkpoints.Find(_observer.OnNote);
        if (found is null)
        {
            return RunRecord.Read(_folder, _configuration.Mixers).IsFinished
                ? throw new DynConvException($"{_folder} is finished and has no checkpoint to go on from; its model is in it.")
                : null;
        }

        if (ResumeRules.Difference(found.Configuration, _configuration) is { } changed)
        {
            throw new DynConvException(
                $"{Path.Combine(_folder, RunFile.Name)} says '{changed.Show(changed.Now)}', and {found.Path} comes of '{changed.Show(changed.Before)}'; put it back, or start a new run.");
        }

        return found.State.Step <= _configuration.Steps
            ? found
            : throw new DynConvException(
                $"{_folder} has done {found.State.Step:N0} steps already, and is to end after {_configuration.Steps:N0}; give {found.State.Step} or more.");
    }

    private TrainingResult Execute(Checkpoint? from, CancellationToken stop)
    {
        ModelTokenizer tokens = LoadTokenizer(from);
        ITokenizer tokenizer = tokens.Tokenizer;
        if (tokenizer.EndOfTextId is null && tokenizer.Template.IsEmpty)
        {
            _observer.OnNote("The tokenizer names no token that ends a text, so nothing stands between documents; an eos_token in tokenizer_config.json beside it would.");
        }

        ModelConfiguration shape = Shape(from, tokenizer);
        if (!_isResumed)
        {
            // Written first, so that a run can be resumed whatever moment it dies at.
            WriteSettings(tokenizer);
        }

        using TrainingData data = PrepareData(tokenizer, stop);
        string fingerprint = data.Train.Fingerprint + data.Validation.Fingerprint;
        if (from is not null && from.State.Data != fingerprint)
        {
            throw new DynConvException($"The text has changed since {_folder} was started, so the run cannot be continued; start a new one.");
        }

        if (_isResumed)
        {
            // Not before the text is known to be the same: a run that cannot go on stays as it was.
            WriteSettings(tokenizer);
        }

        var sampler = new BatchSampler(data.Sources, _configuration.Context!.Value, _configuration.Seed);
        Device device = Device.Parse(_configuration.Device);
        DType computeType = ComputeTypes.Parse(_configuration.Dtype, device);
        CheckMemory(shape, device);
        device.Memory.ResetPeak();
        using LanguageModel model = MakeModel(from, shape, device, computeType);
        using Optimizer optimizer = OptimizerKinds.Create(model, _configuration);
        from?.LoadInto(model, optimizer);
        using MetricsLog metrics = MetricsLog.Open(_folder, from?.State, _observer.OnNote);
        long firstStep = (from?.State.Step ?? 0) + 1;
        _observer.OnStart(new RunStart(
            _configuration, shape, model.ParameterCount, data.Train.Tokens, data.Validation.Tokens, firstStep, device, computeType)
        {
            Sources = [.. data.Sources.Select(Describe)],
            Notes = data.Notes,
        });

        using var loop = new TrainingLoop(_configuration, model, optimizer, sampler);
        var clock = new RunClock(from?.State.Seconds ?? 0, RunValidation.Plan(_configuration, data.Validation), loop.TokensPerStep)
        {
            PeakTokensPerSecond = PeakRates.Of(device, computeType) * 1e12 / FlopCounts.Of(shape, _configuration.Context.Value).Training,
        };
        Prepare(device, loop);
        string? failure = null;
        var queue = new StepQueue(loop, clock, figures =>
        {
            if (failure is null && (failure = loop.RecordingFailure) is not null)
            {
                _observer.OnNote($"Steps are queued kernel by kernel, because they could not be recorded: {failure}");
            }

            metrics.Write(figures);
            _holdsResults = true;
            _observer.OnStep(figures);
        });
        var validation = new RunValidation(_configuration, model, data, clock, _observer);
        var course = new RunCourse(_configuration, _folder, _observer, from?.State)
        {
            Checkpoints = _checkpoints,
            Model = model,
            Tokens = tokens,
            Optimizer = optimizer,
            Queue = queue,
            Validation = validation,
            Metrics = metrics,
            Clock = clock,
            Data = fingerprint,
        };
        EvaluationResult? result = course.Run(stop);
        return new TrainingResult(
            _folder,
            course.Step,
            result is null,
            result,
            _checkpoints.Latest,
            clock.Seconds,
            device.Memory.PeakLiveBytes,
            device,
            computeType,
            SamplePrompt(data.Validation))
        {
            SourceValidation = result is not null ? validation.MeasureSources() : [],
        };
    }

    private void WriteSettings(ITokenizer tokenizer)
    {
        AtomicFile.WriteAllText(Path.Combine(_folder, RunFile.Name), RunFile.ToYaml(RunPaths.Absolute(_configuration)));
        tokenizer.Save(Path.Combine(_folder, ModelFolder.TokenizerFileName));
    }

    private RunSource Describe(TrainingSource source)
    {
        double tokens = (double)_configuration.Steps!.Value * _configuration.Batch!.Value * _configuration.Accumulate * _configuration.Context!.Value;
        return new RunSource(source.Name, source.Train.Tokens, source.Share, tokens * source.Share / source.Train.Tokens);
    }

    /// <summary>Weights as they are before the first step; a checkpoint's come over them.</summary>
    private LanguageModel MakeModel(Checkpoint? from, ModelConfiguration shape, Device device, DType computeType) =>
        _configuration.Init is { } folder && from is null
            ? ModelFolder.LoadInto(folder, shape, _configuration.Seed, device, computeType)
            : new LanguageModel(shape, _configuration.Seed, device, computeType);

    /// <summary>Of the settings, or, where a model was started from that need not be there any more, as the checkpoint has it.</summary>
    private ModelConfiguration Shape(Checkpoint? from, ITokenizer tokenizer) => _configuration.Init is not null && from is not null
        ? ConfigurationFile.Read(Path.Combine(from.Path, ModelFolder.ConfigurationFileName), _configuration.Mixers)
        : _configuration.ModelConfiguration(tokenizer.VocabularySize);

    /// <summary>The tokenizer where the settings say, or, if it is there no more, as the checkpoint has it.</summary>
    private ModelTokenizer LoadTokenizer(Checkpoint? from)
    {
        string path = _configuration.TokenizerPath;
        if (from is null && _configuration.Init is { } folder && !Directory.Exists(folder))
        {
            throw new DynConvException($"There is no model folder {folder} to start from.");
        }

        return ModelTokenizer.Load(from is null || path == TokenizerLoader.Bytes || Path.Exists(path) ? path : from.Path, _configuration.Template);
    }

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
            TakeEncoded = _isResumed,
            HasMoved = _hasMoved,
            Text = _configuration.Reading(),
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

    private sealed class EncodingReport(ITrainingObserver observer) : IProgress<EncodingProgress>
    {
        public void Report(EncodingProgress value) => observer.OnEncoding(value.BytesRead, value.TotalBytes);
    }
}
