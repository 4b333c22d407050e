using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Optimizers;

/// <summary>The moments that AdamW keeps of a parameter, and its update of it.</summary>
internal sealed class AdamWMoments
{
    private readonly Parameter _parameter;
    private readonly Tensor _first;
    private readonly Tensor _second;

    /// <summary>Starts with moments of zero.</summary>
    public AdamWMoments(string name, Parameter parameter)
    {
        _parameter = parameter;
        (_first, _second) = (Zeros(parameter), Zeros(parameter));
        State = [new($"exp_avg.{name}", _first), new($"exp_avg_sq.{name}", _second)];
    }

    public IReadOnlyList<KeyValuePair<string, Tensor>> State { get; }

    /// <summary>A tensor of a parameter's shape that an optimizer keeps.</summary>
    public static Tensor Zeros(Parameter parameter) =>
        TensorScope.Release(Tensor.Zeros(parameter.Shape, DType.Float32, parameter.Tensor.Device));

    /// <summary>Changes the parameter; <paramref name="settings"/> are those of all, and which of them decay is decided here.</summary>
    public void Update(Tensor gradient, AdamWSettings settings, OptimizerUpdate update)
    {
        var step = new AdamWStepSettings
        {
            LearningRate = update.LearningRate,
            Beta1 = settings.Beta1,
            Beta2 = settings.Beta2,
            Epsilon = settings.Epsilon,
            WeightDecay = _parameter.Kind is ParameterKind.Matrix or ParameterKind.Embedding ? settings.WeightDecay : 0,
        };
        AdamW.Step(_parameter, gradient, _first, _second, step, update.Step, update.GradientScale, update.DeviceScale);
    }
}
