using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// Linear layers with one input in common, each followed by its short convolution if it has one, in a single matrix
/// product: the rows of all weights, and of the generators that make the filters, form one matrix.
/// </summary>
public sealed class ConvolvedLinear : Module
{
    private readonly Tensor _weight;
    private readonly Tensor? _bias;
    private readonly ComputeWeight _computeWeight;
    private readonly DType _computeType;
    private readonly Part[] _parts;
    private readonly ShortConvolution?[] _convolutions;

    /// <summary>Makes the layers.</summary>
    /// <param name="factory">Makes the weights, <c>NAME_proj.weight</c>, <c>NAME_proj.bias</c> and <c>NAME_conv</c>.</param>
    /// <param name="layers">Layers with the same number of inputs, with a bias in all of them or in none.</param>
    /// <param name="writesResidual">Whether the outputs are added to the residual stream.</param>
    /// <exception cref="DynConvException">The layers do not fit together.</exception>
    public ConvolvedLinear(ParameterFactory factory, IReadOnlyList<LinearLayer> layers, bool writesResidual)
    {
        if (layers.Count == 0 || layers.Any(layer => layer.Inputs != layers[0].Inputs || layer.Bias != layers[0].Bias))
        {
            throw new DynConvException(
                $"Linear layers of one product have equal inputs and all a bias or none: {string.Join("; ", layers.Select(layer => layer))}.");
        }

        int inputs = layers[0].Inputs;
        _parts = [.. layers.Select(layer => new Part(layer))];
        long row = 0;
        foreach (Part part in _parts)
        {
            part.Start = row;
            row += part.Layer.Outputs;
        }

        Outputs = row;
        foreach (Part part in _parts)
        {
            part.FeatureStart = row;
            row += part.Features;
        }

        _weight = TensorScope.Release(Tensor.Empty([row, inputs], device: factory.Device)).RequireGradient();
        _bias = layers[0].Bias
            ? TensorScope.Release(Tensor.Zeros([Outputs], DType.Float32, factory.Device)).RequireGradient()
            : null;
        _computeType = factory.ComputeType;
        _computeWeight = new ComputeWeight(_weight, _computeType);
        foreach (Part part in _parts)
        {
            AddParameters(part, factory, writesResidual);
        }

        _convolutions = [.. _parts.Select(part => part.Convolution)];
    }

    /// <summary>Output channels of all layers together.</summary>
    public long Outputs { get; }

    /// <summary>The outputs of all layers, in their order.</summary>
    /// <param name="x"><c>[B, T, inputs]</c>.</param>
    /// <param name="packed">Bounds of the sequences that share the one row of tokens; null where each row is a sequence.</param>
    /// <param name="state">The convolutions' last inputs, brought up to date; null for sequences that start here.</param>
    /// <returns>For each layer <c>[B, T, outputs]</c>; without a convolution a slice of the product.</returns>
    public Tensor[] Forward(Tensor x, PackedSequences? packed = null, ConvolvedLinearState? state = null)
    {
        if (packed is not null && state is not null)
        {
            throw new DynConvException("Packed sequences start and end in one call; they have no state.");
        }

        Tensor fused = MatMul.Linear(x, _computeWeight.Current());
        Tensor outputs = _bias is null ? fused : Bias.Add(fused.Slice(-1, 0, Outputs), _bias);
        Tensor[] results = [.. _parts.Select(part => outputs.Slice(-1, part.Start, part.Layer.Outputs))];
        Tensor?[] features = [.. _parts.Select(part => part.Features > 0 ? fused.Slice(-1, part.FeatureStart, part.Features) : null)];
        if (state is not null)
        {
            state.Advance(_convolutions, results, features);
        }

        var options = new ShortConvolutionOptions { Packed = packed };
        for (int i = 0; i < results.Length; i++)
        {
            if (_convolutions[i] is null)
            {
                results[i] = Activated(results[i], _parts[i].Layer.Activation);
            }
            else if (state is null)
            {
                results[i] = _convolutions[i]!.Apply(results[i], features[i], options);
            }
        }

        return results;
    }

    /// <summary>The convolutions' state before the first token.</summary>
    /// <param name="batch">Sequences side by side, B.</param>
    public ConvolvedLinearState CreateState(long batch) =>
        new([.. _parts.Select(part => part.Convolution is { } convolution
            ? TensorScope.Release(Tensor.Zeros([batch, convolution.Width - 1, part.Layer.Outputs], _computeType, _weight.Device))
            : null)]);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _computeWeight.Dispose();
        _weight.Dispose();
        _bias?.Dispose();
    }

    private static Tensor Activated(Tensor x, ConvolutionActivation activation) =>
        activation == ConvolutionActivation.Silu ? Functions.Silu(x) : x;

    private void AddParameters(Part part, ParameterFactory factory, bool writesResidual)
    {
        (string name, int inputs, int outputs, _) = part.Layer;
        string weight = $"{name}_proj.weight";
        Add(weight, Rows(part.Start, outputs, ParameterKind.Matrix, factory.LinearWeight(weight, outputs, inputs, writesResidual)));
        if (_bias is not null)
        {
            Add($"{name}_proj.bias", new Parameter(_bias.Slice(0, part.Start, outputs), ParameterKind.Bias));
        }

        if (part.Layer.Convolution is { } convolution)
        {
            ParameterFactory inside = factory.Inside($"{name}_conv");
            Parameter? generator = part.Features == 0 ? null : Rows(
                part.FeatureStart, part.Features, ParameterKind.Convolution, GeneratorWeight(inside, convolution.Kind, part.Features, inputs));
            part.Convolution = Add($"{name}_conv", convolution.Create(part.Layer, inside.Random(), generator, factory.Device));
        }
    }

    // A low-rank filter starts as zeros through its second factor, a head-wise one has but one.
    private static Tensor GeneratorWeight(ParameterFactory factory, ShortConvolutionKind kind, int features, int inputs) =>
        kind == ShortConvolutionKind.LowRank
            ? factory.LinearWeight("generator_in.weight", features, inputs, writesResidual: false)
            : Tensor.Zeros([features, inputs], device: factory.Device);

    private Parameter Rows(long start, long count, ParameterKind kind, Tensor values)
    {
        using var scope = new TensorScope();
        Tensor rows = _weight.Slice(0, start, count);
        rows.CopyFrom(values);
        values.Dispose();
        return new Parameter(rows, kind);
    }

    private sealed class Part(LinearLayer layer)
    {
        public LinearLayer Layer { get; } = layer;

        public int Features { get; } = layer.Convolution?.GeneratorSize(layer.Outputs) ?? 0;

        public long Start { get; set; }

        public long FeatureStart { get; set; }

        public ShortConvolution? Convolution { get; set; }
    }
}

/// <summary>
/// What the short convolutions of a <see cref="ConvolvedLinear"/> keep of earlier tokens: the last inputs of each,
/// <c>[B, W-1, outputs]</c>.
/// </summary>
public sealed class ConvolvedLinearState : IMixerState
{
    private readonly Tensor?[] _states;

    internal ConvolvedLinearState(Tensor?[] states) => _states = states;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor? state in _states)
        {
            state?.Dispose();
        }
    }

    /// <summary>Convolves the next tokens, one or many, in place of the linear layers' outputs, and moves the state on.</summary>
    internal void Advance(ShortConvolution?[] convolutions, Tensor[] outputs, Tensor?[] features)
    {
        int[] convolved = [.. Enumerable.Range(0, outputs.Length).Where(i => convolutions[i] is not null)];
        // A step records no gradient.
        if (outputs[0].Shape[1] == 1 && !Tape.IsRecording([.. outputs, .. features]))
        {
            Tensor[] tokens = ConvolutionStep.Run([.. convolved.Select(i => convolutions[i]!.NextStep(
                WithoutTime(outputs[i]), features[i] is { } own ? WithoutTime(own) : null, _states[i]!))]);
            foreach ((int i, Tensor token) in convolved.Zip(tokens))
            {
                outputs[i] = token.Reshape(outputs[i].Shape.Dimensions);
            }

            return;
        }

        foreach (int i in convolved)
        {
            var options = new ShortConvolutionOptions { InitialState = _states[i] };
            (outputs[i], Tensor final) = convolutions[i]!.ApplyWithState(outputs[i], features[i], options);
            _states[i]!.Dispose();
            _states[i] = TensorScope.Release(final);
        }
    }

    private static Tensor WithoutTime(Tensor x) => x.Reshape(x.Shape[0], x.Shape[2]);
}
