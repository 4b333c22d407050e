using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// Linear layers with one input in common, each followed by its short convolution if it has one, in a single matrix
/// product: the rows of all weights, and of the generators that make the filters, form one matrix.
/// </summary>
internal sealed class ConvolvedLinear : Module
{
    private readonly Tensor _weight;
    private readonly ComputeWeight _computeWeight;
    private readonly DType _computeType;
    private readonly Part[] _parts;

    /// <param name="factory">Makes the weights.</param>
    /// <param name="configuration">Says which layers have a convolution.</param>
    /// <param name="input">Input channels.</param>
    /// <param name="names">Layers, as in <c>q</c>.</param>
    /// <param name="writesResidual">Whether the outputs are added to the residual stream.</param>
    public ConvolvedLinear(
        ParameterFactory factory, ModelConfiguration configuration, int input, string[] names, bool writesResidual)
    {
        ShortConvolutionConfiguration? convolution = configuration.ShortConvolution;
        _parts = new Part[names.Length];
        long row = 0;
        for (int i = 0; i < names.Length; i++)
        {
            _parts[i] = new Part(names[i], configuration.OutputSize(names[i])) { Start = row };
            row += _parts[i].Outputs;
        }

        for (int i = 0; i < names.Length; i++)
        {
            if (convolution?.Placement.Contains(names[i]) == true)
            {
                _parts[i].FeatureStart = row;
                _parts[i].Features = FeatureCount(convolution, _parts[i].Outputs);
                row += _parts[i].Features;
            }
        }

        _weight = TensorScope.Release(Tensor.Empty([row, input], device: factory.Device)).RequireGradient();
        _computeType = factory.ComputeType;
        _computeWeight = new ComputeWeight(_weight, _computeType);
        foreach (Part part in _parts)
        {
            string name = $"{part.Name}_proj.weight";
            Add(name, Rows(part.Start, part.Outputs, ParameterKind.Matrix, factory.LinearWeight(name, part.Outputs, input, writesResidual)));
            if (convolution?.Placement.Contains(part.Name) == true)
            {
                part.Convolution = Add($"{part.Name}_conv", CreateConvolution(factory.Inside($"{part.Name}_conv"), convolution, part, input));
            }
        }
    }

    /// <summary>The outputs of all layers, in the order of their names.</summary>
    /// <param name="x"><c>[B, T, input]</c>.</param>
    /// <param name="state">The convolutions' last inputs, brought up to date; null without.</param>
    public Tensor[] Forward(Tensor x, ConvolutionStates? state)
    {
        Tensor fused = MatMul.Linear(x, _computeWeight.Current());
        var outputs = new Tensor[_parts.Length];
        for (int i = 0; i < outputs.Length; i++)
        {
            Part part = _parts[i];
            Tensor y = fused.Slice(-1, part.Start, part.Outputs);
            Tensor? features = part.Features > 0 ? fused.Slice(-1, part.FeatureStart, part.Features) : null;
            outputs[i] = part.Convolution is null ? y
                : state is null ? part.Convolution.Apply(y, features)
                : state.Advance(i, part.Convolution, y, features);
        }

        return outputs;
    }

    public ConvolutionStates CreateState(long batch) =>
        new([.. _parts.Select(part => part.Convolution is { } convolution
            ? TensorScope.Release(Tensor.Zeros([batch, convolution.Width - 1, part.Outputs], _computeType, _weight.Device))
            : null)]);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _computeWeight.Dispose();
        _weight.Dispose();
    }

    private static int FeatureCount(ShortConvolutionConfiguration convolution, int channels) => convolution.Kind switch
    {
        ShortConvolutionKind.HeadWise => channels / convolution.HeadSize * convolution.Width,
        ShortConvolutionKind.LowRank => convolution.Rank,
        _ => 0,
    };

    private ShortConvolution CreateConvolution(
        ParameterFactory factory, ShortConvolutionConfiguration convolution, Part part, int input)
    {
        RandomSource random = (factory.Random ?? new RandomSource(0)).Fork(factory.Prefix);
        Parameter Generator(Tensor values) =>
            Rows(part.FeatureStart, part.Features, ParameterKind.Convolution, values);

        return convolution.Kind switch
        {
            ShortConvolutionKind.HeadWise => new HeadWiseShortConvolution(
                part.Outputs,
                input,
                convolution.Width,
                convolution.HeadSize,
                random,
                convolution.Residual,
                Generator(Tensor.Zeros([part.Features, input], device: factory.Device)),
                factory.Device),
            ShortConvolutionKind.LowRank => new LowRankShortConvolution(
                part.Outputs,
                input,
                convolution.Width,
                convolution.Rank,
                random,
                convolution.Residual,
                Generator(factory.LinearWeight("generator_in.weight", part.Features, input, writesResidual: false)),
                factory.Device),
            _ => new StaticShortConvolution(part.Outputs, convolution.Width, random, convolution.Residual, factory.Device),
        };
    }

    private Parameter Rows(long start, long count, ParameterKind kind, Tensor values)
    {
        using var scope = new TensorScope();
        Tensor rows = _weight.Slice(0, start, count);
        rows.CopyFrom(values);
        values.Dispose();
        return new Parameter(rows, kind);
    }

    private sealed class Part(string name, int outputs)
    {
        public string Name { get; } = name;

        public int Outputs { get; } = outputs;

        public long Start { get; init; }

        public long FeatureStart { get; set; }

        public int Features { get; set; }

        public ShortConvolution? Convolution { get; set; }
    }
}
