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
        using var guard = new ReleaseGuard();
        _configuration = configuration;
        _states = [.. module.NamedParameters().Select(p => new State(p.Key, p.Value))];
        guard.Commit();
    }

    /// <summary>The norm of all gradients together.</summary>
    public double GradientNorm()
    {
        using var scope = new TensorScope();
        return Math.Sqrt(SquaredGradientNorm().Item());
    }

    /// <summary>The square of the norm of all gradients together, on the device.</summary>
    /// <param name="others">float32 tensors that are to count as well.</param>
    /// <returns>A scalar, float32.</returns>
    public Tensor SquaredGradientNorm(params IEnumerable<Tensor> others)
    {
        using var scope = new TensorScope();
        Tensor[] gradients = [.. _states.Select(state => state.Parameter.Gradient).OfType<Tensor>(), .. others];
        return scope.Keep(Ops.GradientNorm.SquaredSum(gradients));
    }

    /// <summary>Changes the parameters and clears their gradients.</summary>
    /// <param name="step">From 1: how many updates there will have been.</param>
    /// <param name="learningRate">This step's.</param>
    /// <param name="gradientNorm">What <see cref="GradientNorm"/> has said.</param>
    public void Step(long step, double learningRate, double gradientNorm)
    {
        double limit = _configuration.ClipNorm;
        Update(step, learningRate, limit > 0 && gradientNorm > limit ? (float)(limit / gradientNorm) : 1f, null);
    }

    /// <summary>
    /// The same by a norm that the host does not know yet: nothing is waited for. A norm that is not finite changes no
    /// parameter.
    /// </summary>
    /// <param name="step">From 1: how many updates there will have been.</param>
    /// <param name="learningRate">This step's.</param>
    /// <param name="squaredNorm">What <see cref="SquaredGradientNorm"/> has returned.</param>
    public void Step(long step, double learningRate, Tensor squaredNorm)
    {
        using var scope = new TensorScope();
        float limit = _configuration.ClipNorm > 0 ? (float)_configuration.ClipNorm : float.PositiveInfinity;
        Update(step, learningRate, 1f, Ops.GradientNorm.ClipScale(squaredNorm, limit));
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

    private void Update(long step, double learningRate, float scale, Tensor? deviceScale)
    {
        using var tensors = new TensorScope();
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
            AdamW.Step(state.Parameter, gradient, state.First, state.Second, settings, step, scale, deviceScale);
        }

        ClearGradients();
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
