using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// Makes the weights of a model on a device. Each is drawn from a stream of its own that depends on the seed and the
/// weight's name, so that models which share a layer start with the same weights in it.
/// </summary>
public sealed class ParameterFactory
{
    /// <summary>Of the normal numbers that linear layers and the embedding start from.</summary>
    public const double StandardDeviation = 0.02;

    private readonly RandomSource? _random;
    private readonly double _residualScale;
    private readonly RopeTables _ropeTables;

    internal ParameterFactory(
        RandomSource? random, Device device, DType computeType, double residualScale, RopeTables ropeTables, string prefix = "")
    {
        _random = random;
        _residualScale = residualScale;
        _ropeTables = ropeTables;
        Device = device;
        ComputeType = computeType;
        Prefix = prefix;
    }

    /// <summary>Where the weights live.</summary>
    public Device Device { get; }

    /// <summary>What layers compute in; the weights themselves are float32.</summary>
    public DType ComputeType { get; }

    /// <summary>Name of the part that is being made, as in <c>model.layers.0.self_attn.</c>.</summary>
    public string Prefix { get; }

    /// <summary>The factory for a part of this part.</summary>
    /// <param name="name">The part's name, as in <c>mlp</c>.</param>
    public ParameterFactory Inside(string name) =>
        new(_random, Device, ComputeType, _residualScale, _ropeTables, $"{Prefix}{name}.");

    /// <summary>Random numbers that depend on the seed and a name alone.</summary>
    /// <param name="name">Of a weight in this part; empty for the part as a whole.</param>
    public RandomSource Random(string name = "") => (_random ?? new RandomSource(0)).Fork(Prefix + name);

    /// <summary>A matrix of normal numbers.</summary>
    /// <param name="name">Its name in this part.</param>
    /// <param name="shape">Its shape.</param>
    public Parameter Matrix(string name, Shape shape) => new(Normal(name, shape, StandardDeviation), ParameterKind.Matrix);

    /// <summary>A row of normal numbers for each token of a vocabulary.</summary>
    /// <param name="name">Its name in this part.</param>
    /// <param name="shape">Vocabulary × channels.</param>
    public Parameter Embedding(string name, Shape shape) => new(Normal(name, shape, StandardDeviation), ParameterKind.Embedding);

    /// <summary>The scale of a norm, all ones.</summary>
    /// <param name="size">Channels.</param>
    public Parameter NormScale(int size) => new(Filled(1f, size), ParameterKind.Norm);

    /// <summary>Any parameter that starts with one value throughout.</summary>
    /// <param name="value">The value.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="kind">How the optimizer treats it.</param>
    public Parameter Constant(float value, Shape shape, ParameterKind kind)
    {
        using var scope = new TensorScope();
        return new Parameter(Filled(value, shape.Count).Reshape(shape.Dimensions), kind);
    }

    /// <summary>Numbers of a recurrence, one a head, that are made of uniform ones from 0 to 1.</summary>
    /// <param name="name">Its name in this part.</param>
    /// <param name="size">Heads.</param>
    /// <param name="ofUniform">Makes one of them.</param>
    public Parameter Recurrence(string name, int size, Func<double, double> ofUniform)
    {
        if (_random is null)
        {
            return new Parameter(Tensor.Empty([size], device: Device), ParameterKind.Recurrence);
        }

        RandomSource random = _random.Fork(Prefix + name);
        float[] values = [.. Enumerable.Range(0, size).Select(_ => (float)ofUniform(random.NextDouble()))];
        return new Parameter(Tensor.From(values, [size], Device), ParameterKind.Recurrence);
    }

    /// <summary>The first values of a linear layer's weight, <c>[outputs, inputs]</c>.</summary>
    /// <param name="name">Its name in this part.</param>
    /// <param name="outputs">Output channels.</param>
    /// <param name="inputs">Input channels.</param>
    /// <param name="writesResidual">
    /// Whether the outputs are added to the residual stream: then they start smaller the deeper the model.
    /// </param>
    public Tensor LinearWeight(string name, int outputs, int inputs, bool writesResidual) =>
        Normal(name, [outputs, inputs], StandardDeviation * (writesResidual ? _residualScale : 1));

    /// <summary>The angles of a rotary position embedding; layers with the same share them, and the model disposes them.</summary>
    /// <param name="rope">Base and scaling.</param>
    /// <param name="headDimension">Channels of a head, K; even.</param>
    public RopeTable Rope(RopeConfiguration rope, int headDimension) => _ropeTables.Get(rope, headDimension);

    private Tensor Filled(float value, long count) =>
        Tensor.From(Enumerable.Repeat(value, checked((int)count)).ToArray(), [count], Device);

    private Tensor Normal(string name, Shape shape, double standardDeviation) =>
        _random?.Fork(Prefix + name).Normal(shape, standardDeviation, Device) ?? Tensor.Empty(shape, device: Device);
}

/// <summary>The tables of angles that a model's layers share.</summary>
internal sealed class RopeTables(int maxPositions, Device device) : IDisposable
{
    private readonly Dictionary<(RopeConfiguration, int), RopeTable> _tables = [];

    public RopeTable Get(RopeConfiguration rope, int headDimension)
    {
        if (!_tables.TryGetValue((rope, headDimension), out RopeTable? table))
        {
            _tables[(rope, headDimension)] = table = new RopeTable(rope.Frequencies(headDimension), maxPositions, device);
        }

        return table;
    }

    public void Dispose()
    {
        foreach (RopeTable table in _tables.Values)
        {
            table.Dispose();
        }
    }
}
