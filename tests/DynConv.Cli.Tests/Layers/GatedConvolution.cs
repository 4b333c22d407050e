using System.Text.Json.Nodes;
using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Cli.Tests.Layers;

/// <summary>
/// Settings of the gated short convolution of LFM2, <c>o(c(x) * conv(b(x) * v(x)))</c>. Linear layers: <c>b c v o</c>.
/// </summary>
public sealed record GatedConvolutionConfiguration : MixerConfiguration
{
    private const string WidthKey = "conv_width";

    public static MixerKind Kind { get; } = new("gated_convolution", MixerRole.Sequence, Read);

    public int Width { get; init; } = 3;

    public override string Type => Kind.Name;

    public override string ModuleName => "conv";

    public override IReadOnlyList<LinearLayer> LinearLayers(int hiddenSize) =>
        [.. "bcvo".Select(name => new LinearLayer($"{name}", hiddenSize, hiddenSize))];

    public override Mixer Create(ParameterFactory factory, ModelConfiguration model) => new GatedConvolution(factory, this, model.HiddenSize);

    public override IEnumerable<PartCount> CountParts(int hiddenSize, int context)
    {
        long taps = (long)Width * hiddenSize;
        return [.. CountLinear("gated convolution", hiddenSize), new("gated convolution", taps, PartCount.MultiplyAdd * taps)];
    }

    public override void Validate(int hiddenSize)
    {
        if (Width is < 1 or > 16)
        {
            throw new DynConvException($"{WidthKey} is {Width}; it can be 1 to 16.");
        }
    }

    public override void Write(JsonObject section) => section[WidthKey] = Width;

    private static GatedConvolutionConfiguration Read(JsonSection section, int hiddenSize)
    {
        var defaults = new GatedConvolutionConfiguration();
        return defaults with { Width = section.Int(WidthKey) ?? defaults.Width };
    }
}

/// <summary>The mixer as <see cref="GatedConvolutionConfiguration"/> describes it.</summary>
internal sealed class GatedConvolution : Mixer
{
    private readonly ConvolvedLinear _input;
    private readonly ConvolvedLinear _output;
    private readonly StaticShortConvolution _convolution;
    private readonly ParameterFactory _factory;

    public GatedConvolution(ParameterFactory factory, GatedConvolutionConfiguration configuration, int hiddenSize)
    {
        _factory = factory;
        _input = Add("", new ConvolvedLinear(factory, configuration.Convolved(hiddenSize, "b", "c", "v"), writesResidual: false));
        _convolution = Add("conv", new StaticShortConvolution(
            hiddenSize, configuration.Width, factory.Random("conv"), residual: false, factory.Device));
        _output = Add("", new ConvolvedLinear(factory, configuration.Convolved(hiddenSize, "o"), writesResidual: true));
    }

    public override Tensor Forward(Tensor x, MixerContext context)
    {
        using var scope = new TensorScope();
        var state = (State?)context.State;
        Tensor[] bcv = _input.Forward(x, context.Packed, state?.Input);
        Tensor gated = Elementwise.Multiply(bcv[0], bcv[2]);
        Tensor mixed = state is null
            ? _convolution.Apply(gated, null, new ShortConvolutionOptions { Packed = context.Packed })
            : Continue(gated, state.Last);
        Tensor y = Elementwise.Multiply(bcv[1], mixed);
        return scope.Keep(_output.Forward(y, context.Packed, state?.Output)[0]);
    }

    public override IMixerState CreateState(long batch, long maxTokens)
    {
        Shape last = [batch, _convolution.Width - 1, _convolution.Channels];
        return new State(
            TensorScope.Release(Tensor.Zeros(last, _factory.ComputeType, _factory.Device)),
            _input.CreateState(batch),
            _output.CreateState(batch));
    }

    /// <summary>Convolves the next tokens, one or many, after those whose last inputs the state holds.</summary>
    private Tensor Continue(Tensor x, Tensor last)
    {
        (Tensor y, Tensor final) = _convolution.ApplyWithState(x, null, new ShortConvolutionOptions { InitialState = last });
        last.CopyFrom(final);
        return y;
    }

    private sealed record State(Tensor Last, ConvolvedLinearState Input, ConvolvedLinearState Output) : IMixerState
    {
        public void Dispose()
        {
            Last.Dispose();
            Input.Dispose();
            Output.Dispose();
        }
    }
}
