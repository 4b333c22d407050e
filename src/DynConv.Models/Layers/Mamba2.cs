using System.Text.Json.Nodes;
using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// Settings of Mamba-2 (Dao and Gu 2024): state space duality over channels that have been through a short convolution and SiLU, with a
/// gated norm behind it. Linear layers: <c>z xbc dt o</c>; the inputs, B and C of the recurrence are one layer with one convolution.
/// </summary>
public sealed record Mamba2Configuration : MixerConfiguration
{
    /// <summary>The kind's name in files.</summary>
    public const string Name = "mamba2";

    private const int UsualHeadDimension = 64;
    private const int LeastStateSize = 16;
    private const string HeadsKey = "num_heads";
    private const string HeadDimensionKey = "head_dim";
    private const string StateSizeKey = "state_size";
    private const string GroupsKey = "n_groups";
    private const string BiasKey = "use_bias";
    private const string ConvolutionBiasKey = "use_conv_bias";

    private static readonly PlacedConvolution[] Own =
        [new("xbc", new ShortConvolutionConfiguration { Kind = ShortConvolutionKind.Static, Residual = false })];

    /// <summary>Settings with the convolution of the original: static, 4 taps, on the inputs, B and C.</summary>
    public Mamba2Configuration() => Convolutions = OwnConvolutions;

    /// <summary>Heads, H.</summary>
    public required int Heads { get; init; }

    /// <summary>Channels of a head, P.</summary>
    public required int HeadDimension { get; init; }

    /// <summary>What the state has of each channel, N.</summary>
    public required int StateSize { get; init; }

    /// <summary>Groups of heads that share B and C, G; divides <see cref="Heads"/>.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Whether the linear layers have a bias.</summary>
    public bool Bias { get; init; }

    /// <summary>Whether the convolution has a bias.</summary>
    public bool ConvolutionBias { get; init; } = true;

    /// <inheritdoc/>
    public override string Type => Name;

    /// <inheritdoc/>
    public override string ModuleName => "mamba";

    /// <inheritdoc/>
    public override IReadOnlyList<PlacedConvolution> OwnConvolutions => Own;

    /// <summary>Channels of all heads together.</summary>
    public int InnerSize => Heads * HeadDimension;

    /// <summary>Channels of B, and of C.</summary>
    public int StateChannels => Groups * StateSize;

    /// <inheritdoc/>
    public override IReadOnlyList<LinearLayer> LinearLayers(int hiddenSize) =>
    [
        new("z", hiddenSize, InnerSize, Bias),
        new("xbc", hiddenSize, InnerSize + (2 * StateChannels), Bias)
        {
            Activation = ConvolutionActivation.Silu,
            ConvolutionBias = ConvolutionBias,
        },
        new("dt", hiddenSize, Heads, Bias),
        new("o", InnerSize, hiddenSize, Bias),
    ];

    /// <inheritdoc/>
    public override Mixer Create(ParameterFactory factory, ModelConfiguration model) => new Mamba2(factory, this, model);

    /// <inheritdoc/>
    public override IEnumerable<PartCount> CountParts(int hiddenSize, int context)
    {
        const string Part = "Mamba-2";

        // Two products with the state: what a token adds to it, and what it reads.
        const long Products = 2;
        return
        [
            .. CountLinear(Part, hiddenSize),
            new(Part, 3 * Heads, 0),
            new("state space duality", 0, PartCount.MultiplyAdd * Products * InnerSize * StateSize),
            new("norms", InnerSize, 0),
        ];
    }

    /// <inheritdoc/>
    public override void Validate(int hiddenSize)
    {
        Require.AtLeastOne(HeadsKey, Heads);
        Require.AtLeastOne(HeadDimensionKey, HeadDimension);
        Require.AtLeastOne(StateSizeKey, StateSize);
        Require.AtLeastOne(GroupsKey, Groups);
        Require.Channels($"{HeadsKey} times {HeadDimensionKey}", (long)Heads * HeadDimension);
        Require.Channels($"{GroupsKey} times {StateSizeKey}", (long)Groups * StateSize);
        Require.Divides(GroupsKey, Groups, HeadsKey, Heads);
    }

    /// <inheritdoc/>
    public override void Write(JsonObject section)
    {
        section[HeadsKey] = Heads;
        section[HeadDimensionKey] = HeadDimension;
        section[StateSizeKey] = StateSize;
        section[GroupsKey] = Groups;
        section[BiasKey] = Bias;
        section[ConvolutionBiasKey] = ConvolutionBias;
    }

    /// <summary>
    /// Where a section does not say, the mixer has about the parameters of attention of full width: 5/4 of the model's width inside, in
    /// heads of 64 channels or of a smaller power of two, and an eighth of it as state.
    /// </summary>
    internal static Mamba2Configuration Read(JsonSection section, int hiddenSize)
    {
        int inner = (int)Math.Min(int.MaxValue, hiddenSize * 5L / 4);
        int? heads = section.Int(HeadsKey);
        if (heads is { } given)
        {
            Require.AtLeastOne(HeadsKey, given);
        }

        int dimension = section.Int(HeadDimensionKey) ?? (heads is { } count ? Math.Max(1, inner / count) : Fitting(inner));
        Require.AtLeastOne(HeadDimensionKey, dimension);
        return new Mamba2Configuration
        {
            Heads = heads ?? Math.Max(1, inner / dimension),
            HeadDimension = dimension,
            StateSize = section.Int(StateSizeKey) ?? Math.Max(LeastStateSize, hiddenSize / 8),
            Groups = section.Int(GroupsKey) ?? 1,
            Bias = section.Bool(BiasKey) ?? false,
            ConvolutionBias = section.Bool(ConvolutionBiasKey) ?? true,
        };
    }

    private static int Fitting(int inner)
    {
        int dimension = UsualHeadDimension;
        while (dimension > 1 && inner % dimension != 0)
        {
            dimension /= 2;
        }

        return dimension;
    }
}

/// <summary>Mamba-2 as <see cref="Mamba2Configuration"/> describes it.</summary>
internal sealed class Mamba2 : Mixer
{
    private const double LeastRate = 1;
    private const double LargestRate = 16;

    private readonly Mamba2Configuration _configuration;
    private readonly float _normEpsilon;
    private readonly Device _device;
    private readonly ConvolvedLinear _input;
    private readonly ConvolvedLinear _output;
    private readonly Parameter _logRate;
    private readonly Parameter _skip;
    private readonly Parameter _stepBias;
    private readonly Parameter _norm;

    public Mamba2(ParameterFactory factory, Mamba2Configuration configuration, ModelConfiguration model)
    {
        _configuration = configuration;
        _normEpsilon = (float)model.NormEpsilon;
        _device = factory.Device;
        _input = Add("", new ConvolvedLinear(factory, configuration.Convolved(model.HiddenSize, "z", "xbc", "dt"), writesResidual: false));
        _logRate = Add("A_log", factory.Recurrence(
            "A_log", configuration.Heads, static uniform => RecurrenceInitialization.LogRate(LeastRate, LargestRate, uniform)));
        _skip = Add("D", factory.Constant(1, [configuration.Heads], ParameterKind.Recurrence));
        _stepBias = Add("dt_bias", factory.Recurrence("dt_bias", configuration.Heads, RecurrenceInitialization.StepBias));
        _norm = Add("norm.weight", factory.NormScale(configuration.InnerSize));
        _output = Add("", new ConvolvedLinear(factory, configuration.Convolved(model.HiddenSize, "o"), writesResidual: true));
    }

    public override Tensor Forward(Tensor x, MixerContext context)
    {
        using var scope = new TensorScope();
        var state = (RecurrentState?)context.State;
        (int inner, int channels) = (_configuration.InnerSize, _configuration.StateChannels);
        Tensor[] projected = _input.Forward(x, context.Packed, state?.Input);
        (Tensor z, Tensor xbc) = (projected[0], projected[1]);
        Tensor input = Heads(xbc.Slice(-1, 0, inner), _configuration.Heads);
        Tensor b = Heads(xbc.Slice(-1, inner, channels), _configuration.Groups);
        Tensor c = Heads(xbc.Slice(-1, inner + channels, channels), _configuration.Groups);
        Tensor dt = RecurrenceGates.StepSizes(projected[2], _stepBias);
        Tensor rate = Elementwise.Scale(Functions.Exp(_logRate), -1);
        var options = new StateSpaceDualityOptions { D = _skip, InitialState = state?.Memory, Packed = context.Packed };
        Tensor mixed = state is null ? StateSpaceDuality.Apply(input, dt, rate, b, c, options) : Advance(state);
        Tensor joined = mixed.Reshape(x.Shape[0], x.Shape[1], inner);
        Tensor normed = GatedRmsNormalization.Apply(joined, z, _norm, _normEpsilon, gateFirst: true);
        return scope.Keep(_output.Forward(normed, context.Packed, state?.Output)[0]);

        Tensor Advance(RecurrentState state)
        {
            (Tensor y, Tensor final) = StateSpaceDuality.ApplyWithState(input, dt, rate, b, c, options);
            state.Advance(final);
            return y;
        }
    }

    public override IMixerState CreateState(long batch, long maxTokens)
    {
        Shape memory = [batch, _configuration.Heads, _configuration.HeadDimension, _configuration.StateSize];
        return new RecurrentState(Tensor.Zeros(memory, DType.Float32, _device), _input.CreateState(batch), _output.CreateState(batch));
    }
}
