using DynConv.Modules;

namespace DynConv.Models.Layers;

/// <summary>
/// Makes the weights of a model on a device. Each is drawn from a stream of its own that depends on the seed and the
/// weight's name, so that models which share a layer start with the same weights in it.
/// </summary>
/// <param name="Random">The model's random numbers; null to leave the weights undefined because they will be read.</param>
/// <param name="Device">Where the weights live.</param>
/// <param name="ComputeType">What layers compute in; the weights themselves are float32.</param>
/// <param name="Prefix">Name of the part that is being made, as in <c>model.layers.0.self_attn.</c>.</param>
/// <param name="ResidualScale">Factor for weights that write into the residual stream.</param>
internal sealed record ParameterFactory(
    RandomSource? Random, Device Device, DType ComputeType, string Prefix, double ResidualScale)
{
    public const double StandardDeviation = 0.02;

    public ParameterFactory Inside(string name) => this with { Prefix = $"{Prefix}{name}." };

    public Parameter Matrix(string name, Shape shape) =>
        new(Normal(name, shape, StandardDeviation), ParameterKind.Matrix);

    public Parameter NormScale(int size) =>
        new(Tensor.From(Enumerable.Repeat(1f, size).ToArray(), [size], Device), ParameterKind.Norm);

    public Tensor LinearWeight(string name, int output, int input, bool writesResidual) =>
        Normal(name, [output, input], StandardDeviation * (writesResidual ? ResidualScale : 1));

    private Tensor Normal(string name, Shape shape, double standardDeviation) =>
        Random?.Fork(Prefix + name).Normal(shape, standardDeviation, Device) ?? Tensor.Empty(shape, device: Device);
}
