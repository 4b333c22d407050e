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

    /// <summary>What a step needs; <paramref name="settings"/> are those of all, and which of them decay is decided here.</summary>
    public AdamWPart Part(Tensor gradient, AdamWSettings settings) => new(
        _parameter,
        gradient,
        _first,
        _second,
        _parameter.Kind is ParameterKind.Matrix or ParameterKind.Embedding ? settings.WeightDecay : 0);

    /// <summary>Changes parameters, each as <see cref="Part"/> says.</summary>
    public static void Update(IReadOnlyList<AdamWPart> parts, AdamWSettings settings, OptimizerUpdate update)
    {
        var step = new AdamWStepSettings
        {
            LearningRate = update.LearningRate,
            Beta1 = settings.Beta1,
            Beta2 = settings.Beta2,
            Epsilon = settings.Epsilon,
        };
        AdamW.StepAll(parts, step, update.Step, update.GradientScale, update.DeviceScale);
    }
}
