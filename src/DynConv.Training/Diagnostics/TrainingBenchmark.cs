using DynConv.Diagnostics;
using DynConv.Models;
using DynConv.Modules;
using DynConv.Optimizers;
using DynConv.Training.Data;
using DynConv.Training.Optimization;
using DynConv.Training.Runs;

namespace DynConv.Training.Diagnostics;

/// <summary>Times the steps of a training as a run makes them, with random weights and on random ids.</summary>
public sealed class TrainingBenchmark : IDisposable
{
    private const int CudaSteps = 20;
    private const int CpuSteps = 5;
    private const int CudaWarmUps = 6;
    private const int CpuWarmUps = 1;

    // Ids enough that a step does not see those of the step before.
    private const int StepsOfIds = 4;
    private const int DocumentsOfContext = 8;

    private readonly TrainingConfiguration _configuration;
    private readonly int _steps;
    private readonly LanguageModel _model;
    private readonly Optimizer _optimizer;
    private readonly BatchSampler _sampler;
    private readonly TrainingLoop _loop;

    /// <summary>Makes the model and its optimizer.</summary>
    /// <param name="configuration">
    /// What is trained and where. Its steps are those that are measured, 20 on a GPU and 5 on the CPU if not given; its data does
    /// not matter.
    /// </param>
    /// <param name="vocabularySize">Number of different ids; the preset's if not given.</param>
    /// <exception cref="DynConvException">A setting is wrong.</exception>
    public TrainingBenchmark(TrainingConfiguration configuration, int? vocabularySize = null)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        Device device = Device.Parse(configuration.Device);
        _steps = (int)Math.Min(configuration.Steps ?? (device.IsCuda ? CudaSteps : CpuSteps), int.MaxValue / 2);
        _configuration = (configuration with { Steps = (long)_steps + (device.IsCuda ? CudaWarmUps : CpuWarmUps), Tokens = null }).Resolve();
        ModelConfiguration shape = _configuration.ModelConfiguration(vocabularySize);
        int context = _configuration.Context!.Value;
        long windows = StepsOfIds * (long)_configuration.Batch!.Value * _configuration.Accumulate;
        var ids = new RandomTokens(
            (int)Math.Min(Array.MaxLength, (windows + 1) * context),
            shape.VocabularySize,
            Math.Max(1, context / DocumentsOfContext),
            _configuration.Seed);
        device.Memory.ResetPeak();
        _model = new LanguageModel(shape, _configuration.Seed, device, ComputeTypes.Parse(_configuration.Dtype, device));
        _optimizer = OptimizerKinds.Create(_model, _configuration);
        _sampler = new BatchSampler(ids, context, _configuration.Seed);
        _loop = NewLoop();
    }

    /// <summary>Where it computes.</summary>
    public Device Device => _model.Device;

    /// <summary>What it computes in.</summary>
    public DType ComputeType => _model.ComputeType;

    /// <summary>Compiles all kernels that a step needs; on the CPU there are none.</summary>
    /// <returns>How many this process did not have yet.</returns>
    public int Prepare() => _loop.Prepare();

    /// <summary>Measures one step kernel by kernel, then whole steps after some that do not count, and what the device reaches at best.</summary>
    /// <param name="ceilings">What it reaches at best, if that is known.</param>
    public TrainingTiming Measure(DeviceCeilings? ceilings = null)
    {
        IReadOnlyList<KernelTime> kernels = WarmUp();
        double[] seconds = MeasureSteps();
        (long peak, long reserved) = (Device.Memory.PeakLiveBytes, Device.Memory.ReservedBytes);
        ModelConfiguration shape = _model.Configuration;
        return new TrainingTiming
        {
            Model = _configuration.ModelName(),
            Convolutions = shape.Convolutions.Count == 0
                ? ShortConvolutionKinds.None
                : string.Join('+', shape.Convolutions.Select(static placed => placed.Convolution.Kind.Name()).Distinct()),
            Placement = [.. shape.Convolutions.Select(static placed => placed.Layer).Distinct()],
            Parameters = _model.ParameterCount,
            VocabularySize = shape.VocabularySize,
            Batch = _configuration.Batch!.Value,
            Accumulate = _configuration.Accumulate,
            Context = _configuration.Context!.Value,
            IsPacked = _configuration.Pack,
            IsRecomputed = _configuration.Recompute,
            Optimizer = _configuration.Optimizer,
            Device = Device.ToString(),
            DeviceName = Device.Name,
            DType = ComputeType.Name(),
            Steps = _steps,
            StepMs = seconds[seconds.Length / 2] * 1e3,
            FastestStepMs = seconds[0] * 1e3,
            SlowestStepMs = seconds[^1] * 1e3,
            PeakBytes = peak,
            ReservedBytes = reserved,
            FlopPerToken = FlopCounts.Of(shape, _configuration.Context.Value).Training,
            PeakTflopPerS = PeakRates.Of(Device, ComputeType),
            Ceilings = ceilings ?? DeviceCeilings.Measure(Device, ComputeType),
            Kernels = kernels,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Dispose();
        _optimizer.Dispose();
        _model.Dispose();
    }

    /// <summary>The steps that do not count.</summary>
    /// <returns>The kernels of one of them; none on the CPU.</returns>
    private IReadOnlyList<KernelTime> WarmUp()
    {
        // The first step allocates and chooses algorithms.
        _loop.Step();
        if (!Device.IsCuda)
        {
            return [];
        }

        // The first step of a loop is queued kernel by kernel, and this one has the memory of the one before.
        using TrainingLoop watched = NewLoop();
        IReadOnlyList<KernelTime> kernels = KernelProfile.Of(Device, () => watched.Step());
        for (int i = 2; i < CudaWarmUps; i++)
        {
            _loop.Step();
        }

        return kernels;
    }

    private TrainingLoop NewLoop() => new(_configuration, _model, _optimizer, _sampler);

    private double[] MeasureSteps()
    {
        using var marks = new DeviceMarks(Device);
        marks.Mark();
        for (int i = 0; i < _steps; i++)
        {
            _loop.Step();
            marks.Mark();
        }

        double[] seconds = marks.Intervals();
        Array.Sort(seconds);
        return seconds;
    }
}
