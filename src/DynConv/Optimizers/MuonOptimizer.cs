using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Optimizers;

/// <summary>
/// Muon (Jordan 2024; Liu et al. 2025) for the matrices of hidden layers, <see cref="ParameterKind.Matrix"/>, and AdamW for
/// all else: embeddings, output layers over a vocabulary, norms, biases and convolutions. Both go by one learning rate. The
/// gradient is clipped by its norm over all parameters.
/// </summary>
public sealed class MuonOptimizer : Optimizer
{
    private readonly MuonSettings _settings;
    private readonly AdamWSettings _others;
    private readonly Dictionary<Parameter, Tensor> _momentum;
    private readonly Dictionary<Parameter, AdamWMoments> _moments;

    /// <summary>Starts with momentum and moments of zero.</summary>
    /// <param name="module">Whose parameters are trained; it stays its holder's.</param>
    /// <param name="settings">Learning rate, decay, momentum, clipping; the defaults if not given.</param>
    /// <exception cref="DynConvException">The module has no parameters, or a setting does not fit.</exception>
    public MuonOptimizer(Module module, MuonSettings? settings = null)
        : base(module, (settings ?? new()).LearningRate, (settings ?? new()).ClipNorm)
    {
        using var guard = new ReleaseGuard();
        _settings = settings ?? new MuonSettings();
        _others = new AdamWSettings
        {
            Beta1 = _settings.Beta1,
            Beta2 = _settings.Beta2,
            Epsilon = _settings.Epsilon,
            WeightDecay = _settings.WeightDecay,
        };
        _momentum = Parameters.Where(pair => IsMuons(pair.Value)).ToDictionary(pair => pair.Value, pair => AdamWMoments.Zeros(pair.Value));
        _moments = Parameters.Where(pair => !IsMuons(pair.Value)).ToDictionary(pair => pair.Value, pair => new AdamWMoments(pair.Key, pair.Value));
        guard.Commit();
    }

    /// <inheritdoc/>
    protected override void Update(Parameter parameter, Tensor gradient, OptimizerUpdate update)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (!_momentum.TryGetValue(parameter, out Tensor? momentum))
        {
            AdamWMoments.Update([_moments[parameter].Part(gradient, _others)], _others, update);
            return;
        }

        var settings = new MuonStepSettings
        {
            LearningRate = update.LearningRate,
            Momentum = _settings.Momentum,
            NewtonSchulzSteps = _settings.NewtonSchulzSteps,
            WeightDecay = _settings.WeightDecay,
        };
        Muon.Step(parameter, gradient, momentum, settings, update.GradientScale, update.DeviceScale);
    }

    /// <inheritdoc/>
    private protected override void Update(IReadOnlyList<(Parameter Parameter, Tensor Gradient)> gradients, OptimizerUpdate update)
    {
        ILookup<bool, (Parameter Parameter, Tensor Gradient)> kinds = gradients.ToLookup(pair => _momentum.ContainsKey(pair.Parameter));
        AdamWMoments.Update([.. kinds[false].Select(pair => _moments[pair.Parameter].Part(pair.Gradient, _others))], _others, update);
        foreach ((Parameter parameter, Tensor gradient) in kinds[true])
        {
            Update(parameter, gradient, update);
        }
    }

    /// <summary><c>momentum_buffer.NAME</c> of a matrix; <c>exp_avg.NAME</c> and <c>exp_avg_sq.NAME</c> of all else.</summary>
    protected override IEnumerable<KeyValuePair<string, Tensor>> State() => Parameters.SelectMany(
        pair => _momentum.TryGetValue(pair.Value, out Tensor? momentum)
            ? [new($"momentum_buffer.{pair.Key}", momentum)]
            : _moments[pair.Value].State);

    private static bool IsMuons(Parameter parameter) => parameter is { Kind: ParameterKind.Matrix, Shape.Rank: 2 };
}
