using DynConv.Modules;

namespace DynConv.Optimizers;

/// <summary>
/// AdamW (Loshchilov and Hutter 2019) over a module's parameters: matrices and embeddings decay; norms, biases and convolutions
/// do not. The gradient is clipped by its norm over all parameters.
/// </summary>
public sealed class AdamWOptimizer : Optimizer
{
    private readonly AdamWSettings _settings;
    private readonly Dictionary<Parameter, AdamWMoments> _moments;

    /// <summary>Starts with moments of zero.</summary>
    /// <param name="module">Whose parameters are trained; it stays its holder's.</param>
    /// <param name="settings">Learning rate, decay, moments, clipping; the defaults if not given.</param>
    /// <exception cref="DynConvException">The module has no parameters, or a setting does not fit.</exception>
    public AdamWOptimizer(Module module, AdamWSettings? settings = null)
        : base(module, (settings ?? new()).LearningRate, (settings ?? new()).ClipNorm)
    {
        using var guard = new ReleaseGuard();
        _settings = settings ?? new AdamWSettings();
        _moments = Parameters.ToDictionary(pair => pair.Value, pair => new AdamWMoments(pair.Key, pair.Value));
        guard.Commit();
    }

    /// <inheritdoc/>
    protected override void Update(Parameter parameter, Tensor gradient, OptimizerUpdate update)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        Update([(parameter, gradient)], update);
    }

    /// <inheritdoc/>
    private protected override void Update(IReadOnlyList<(Parameter Parameter, Tensor Gradient)> gradients, OptimizerUpdate update) =>
        AdamWMoments.Update([.. gradients.Select(pair => _moments[pair.Parameter].Part(pair.Gradient, _settings))], _settings, update);

    /// <summary>The moments of each parameter, <c>exp_avg.NAME</c> and <c>exp_avg_sq.NAME</c>.</summary>
    protected override IEnumerable<KeyValuePair<string, Tensor>> State() =>
        Parameters.SelectMany(pair => _moments[pair.Value].State);
}
