using DynConv.Modules;
using DynConv.Ops;
using DynConv.Serialization;

namespace DynConv.Training.Optimization;

/// <summary>
/// AdamW over a model's parameters: matrices decay, norms and convolutions do not. The gradient is clipped by its norm
/// over all parameters.
/// </summary>
public sealed class AdamWOptimizer : IDisposable
{
    private readonly TrainingConfiguration _configuration;
    private readonly List<State> _states;

    /// <summary>Starts with moments of zero.</summary>
    /// <param name="module">Whose parameters are trained.</param>
    /// <param name="configuration">Decay, moments, clipping.</param>
    public AdamWOptimizer(Module module, TrainingConfiguration configuration)
    {
        _configuration = configuration;
        _states = [.. module.NamedParameters().Select(p => new State(p.Key, p.Value))];
    }

    /// <summary>The norm of all gradients together.</summary>
    public double GradientNorm()
    {
        using var scope = new TensorScope();
        Tensor[] gradients = [.. _states.Select(state => state.Parameter.Gradient).OfType<Tensor>()];
        return Math.Sqrt(Ops.GradientNorm.SquaredSum(gradients).Item());
    }

    /// <summary>Changes the parameters and clears their gradients.</summary>
    /// <param name="step">From 1: how many updates there will have been.</param>
    /// <param name="learningRate">This step's.</param>
    /// <param name="gradientNorm">What <see cref="GradientNorm"/> has said.</param>
    public void Step(long step, double learningRate, double gradientNorm)
    {
        using var scope = new TensorScope();
        double limit = _configuration.ClipNorm;
        float scale = limit > 0 && gradientNorm > limit ? (float)(limit / gradientNorm) : 1f;
        foreach (State state in _states)
        {
            if (state.Parameter.Gradient is not { } gradient)
            {
                continue;
            }

            var settings = new AdamWSettings
            {
                LearningRate = learningRate,
                Beta1 = _configuration.Beta1,
                Beta2 = _configuration.Beta2,
                Epsilon = _configuration.Epsilon,
                WeightDecay = state.Parameter.Kind == ParameterKind.Matrix ? _configuration.WeightDecay : 0,
            };
            AdamW.Step(state.Parameter, gradient, state.First, state.Second, settings, step, scale);
        }

        ClearGradients();
    }

    /// <summary>Gives the memory of all gradients back.</summary>
    public void ClearGradients()
    {
        foreach (State state in _states)
        {
            state.Parameter.Tensor.ClearGradient();
        }
    }

    /// <summary>Writes the moments as safetensors.</summary>
    /// <param name="path">The file.</param>
    public void Save(string path) => SafetensorsWriter.Write(path, _states.SelectMany(state => state.Moments()));

    /// <summary>Reads moments that <see cref="Save"/> has written for the same model.</summary>
    /// <param name="path">The file.</param>
    public void Load(string path)
    {
        using var reader = new SafetensorsReader(path);
        foreach ((string name, Tensor moment) in _states.SelectMany(state => state.Moments()))
        {
            reader.ReadInto(name, moment);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (State state in _states)
        {
            state.First.Dispose();
            state.Second.Dispose();
        }
    }

    private sealed class State(string name, Parameter parameter)
    {
        public Parameter Parameter { get; } = parameter;

        public Tensor First { get; } = Zeros(parameter);

        public Tensor Second { get; } = Zeros(parameter);

        public IEnumerable<KeyValuePair<string, Tensor>> Moments() =>
            [new($"exp_avg.{name}", First), new($"exp_avg_sq.{name}", Second)];

        private static Tensor Zeros(Parameter parameter) =>
            TensorScope.Release(Tensor.Zeros(parameter.Shape, DType.Float32, parameter.Tensor.Device));
    }
}
