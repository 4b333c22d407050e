using System.Text.Json.Nodes;
using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// Settings of Gated DeltaNet (Yang et al. 2024): the gated delta rule between queries, keys and values that have been through a
/// short convolution and SiLU, with a gated norm behind it. Linear layers: <c>q k v a b g o</c>.
/// </summary>
public sealed record GatedDeltaNetConfiguration : MixerConfiguration
{
    /// <summary>The kind's name in files.</summary>
    public const string Name = "gdn";

    private const int LargestValueDimension = 512;
    private const string HeadsKey = "num_heads";
    private const string ValueHeadsKey = "num_v_heads";
    private const string KeyDimensionKey = "head_dim";
    private const string ValueDimensionKey = "head_v_dim";
    private const string GateKey = "use_gate";
    private const string NegativeKey = "allow_neg_eigval";
    private const string GateFirstKey = "gate_first";

    private static readonly PlacedConvolution[] Own = [.. "qkv".Select(layer => new PlacedConvolution(
        $"{layer}", new ShortConvolutionConfiguration { Kind = ShortConvolutionKind.Static, Residual = false }))];

    /// <summary>Settings with the convolutions of the original: static, 4 taps, on queries, keys and values.</summary>
    public GatedDeltaNetConfiguration() => Convolutions = OwnConvolutions;

    /// <summary>Heads of queries and keys, H.</summary>
    public required int Heads { get; init; }

    /// <summary>Heads of values, Hv; a multiple of <see cref="Heads"/>.</summary>
    public required int ValueHeads { get; init; }

    /// <summary>Channels of a head of queries and keys, K.</summary>
    public required int KeyDimension { get; init; }

    /// <summary>Channels of a head of values, V.</summary>
    public required int ValueDimension { get; init; }

    /// <summary>Whether the results are gated by <c>silu(g(x))</c>.</summary>
    public bool Gate { get; init; } = true;

    /// <summary>Whether the gate comes before the norm; it comes behind it in the original.</summary>
    public bool GateFirst { get; init; }

    /// <summary>
    /// Whether what is stored is corrected by up to twice its distance, so that states can change their sign (Grazzi et al. 2024).
    /// </summary>
    public bool NegativeEigenvalues { get; init; }

    /// <inheritdoc/>
    public override string Type => Name;

    /// <inheritdoc/>
    public override string ModuleName => "linear_attn";

    /// <inheritdoc/>
    public override IReadOnlyList<PlacedConvolution> OwnConvolutions => Own;

    /// <summary>Channels of all heads of queries together, and of keys.</summary>
    public int KeySize => Heads * KeyDimension;

    /// <summary>Channels of all heads of values together.</summary>
    public int ValueSize => ValueHeads * ValueDimension;

    /// <inheritdoc/>
    public override IReadOnlyList<LinearLayer> LinearLayers(int hiddenSize) =>
    [
        new("q", hiddenSize, KeySize) { Activation = ConvolutionActivation.Silu },
        new("k", hiddenSize, KeySize) { Activation = ConvolutionActivation.Silu },
        new("v", hiddenSize, ValueSize) { Activation = ConvolutionActivation.Silu },
        new("a", hiddenSize, ValueHeads),
        new("b", hiddenSize, ValueHeads),
        .. Gate ? new LinearLayer[] { new("g", hiddenSize, ValueSize) } : [],
        new("o", ValueSize, hiddenSize),
    ];

    /// <inheritdoc/>
    public override Mixer Create(ParameterFactory factory, ModelConfiguration model) => new GatedDeltaNet(factory, this, model);

    /// <inheritdoc/>
    public override IEnumerable<PartCount> CountParts(int hiddenSize, int context)
    {
        const string Part = "Gated DeltaNet";

        // Three products with the state: what it has stored under a key, the correction, what a query reads.
        const long Products = 3;
        return
        [
            .. CountLinear(Part, hiddenSize),
            new(Part, 2 * ValueHeads, 0),
            new("gated delta rule", 0, PartCount.MultiplyAdd * Products * ValueHeads * KeyDimension * ValueDimension),
            new("norms", ValueDimension, 0),
        ];
    }

    /// <inheritdoc/>
    public override string Describe() => string.Concat(
        Type, Gate ? "" : " without gate", Gate && GateFirst ? " gate first" : "", NegativeEigenvalues ? " negative eigenvalues" : "");

    /// <inheritdoc/>
    public override void Validate(int hiddenSize)
    {
        Require.AtLeastOne(HeadsKey, Heads);
        Require.AtLeastOne(ValueHeadsKey, ValueHeads);
        Require.AtLeastOne(KeyDimensionKey, KeyDimension);
        Require.AtLeastOne(ValueDimensionKey, ValueDimension);
        Require.Channels($"{HeadsKey} times {KeyDimensionKey}", (long)Heads * KeyDimension);
        Require.Channels($"{ValueHeadsKey} times {ValueDimensionKey}", (long)ValueHeads * ValueDimension);
        Require.Divides(HeadsKey, Heads, ValueHeadsKey, ValueHeads);
    }

    /// <inheritdoc/>
    public override void Write(JsonObject section)
    {
        section[HeadsKey] = Heads;
        section[ValueHeadsKey] = ValueHeads;
        section[KeyDimensionKey] = KeyDimension;
        section[ValueDimensionKey] = ValueDimension;
        section[GateKey] = Gate;
        section[NegativeKey] = NegativeEigenvalues;
        section[GateFirstKey] = GateFirst;
    }

    /// <summary>
    /// Where a section does not say, the mixer has about the parameters of attention of full width: values as wide as the model, keys
    /// half as wide, in as few heads as keep values at 512 channels each.
    /// </summary>
    internal static GatedDeltaNetConfiguration Read(JsonSection section, int hiddenSize)
    {
        int heads = section.Int(HeadsKey) ?? UsualHeads(hiddenSize);
        Require.AtLeastOne(HeadsKey, heads);
        int valueHeads = section.Int(ValueHeadsKey) ?? heads;
        Require.AtLeastOne(ValueHeadsKey, valueHeads);
        int keyDimension = section.Int(KeyDimensionKey) ?? Math.Max(1, hiddenSize / 2 / heads);
        return new GatedDeltaNetConfiguration
        {
            Heads = heads,
            ValueHeads = valueHeads,
            KeyDimension = keyDimension,
            ValueDimension = section.Int(ValueDimensionKey) ?? (int)Math.Min(int.MaxValue, 2L * keyDimension),
            Gate = section.Bool(GateKey) ?? true,
            NegativeEigenvalues = section.Bool(NegativeKey) ?? false,
            GateFirst = section.Bool(GateFirstKey) ?? false,
        };
    }

    private static int UsualHeads(int hiddenSize)
    {
        int heads = Math.Max(1, (hiddenSize + LargestValueDimension - 1) / LargestValueDimension);
        while (heads < hiddenSize && hiddenSize % (2 * heads) != 0)
        {
            heads++;
        }

        return heads;
    }
}

/// <summary>Gated DeltaNet as <see cref="GatedDeltaNetConfiguration"/> describes it.</summary>
internal sealed class GatedDeltaNet : Mixer
{
    private const double LargestRate = 16;

    private readonly GatedDeltaNetConfiguration _configuration;
    private readonly float _normEpsilon;
    private readonly Device _device;
    private readonly ConvolvedLinear _input;
    private readonly ConvolvedLinear _output;
    private readonly Parameter _logRate;
    private readonly Parameter _stepBias;
    private readonly Parameter _norm;
    private readonly Tensor _unit;

    public GatedDeltaNet(ParameterFactory factory, GatedDeltaNetConfiguration configuration, ModelConfiguration model)
    {
        _configuration = configuration;
        _normEpsilon = (float)model.NormEpsilon;
        _device = factory.Device;
        string[] inputs = ["q", "k", "v", "a", "b", .. configuration.Gate ? new[] { "g" } : []];
        _input = Add("", new ConvolvedLinear(factory, configuration.Convolved(model.HiddenSize, inputs), writesResidual: false));
        _logRate = Add("A_log", factory.Recurrence(
            "A_log", configuration.ValueHeads, static uniform => RecurrenceInitialization.LogRate(0, LargestRate, uniform)));
        _stepBias = Add("dt_bias", factory.Recurrence("dt_bias", configuration.ValueHeads, RecurrenceInitialization.StepBias));
        _norm = Add("o_norm.weight", factory.NormScale(configuration.ValueDimension));
        _output = Add("", new ConvolvedLinear(factory, configuration.Convolved(model.HiddenSize, "o"), writesResidual: true));
        _unit = TensorScope.Release(L2Normalization.Scale(configuration.KeyDimension, factory.Device));
    }

    public override Tensor Forward(Tensor x, MixerContext context)
    {
        using var scope = new TensorScope();
        var state = (RecurrentState?)context.State;
        Tensor[] projected = _input.Forward(x, context.Packed, state?.Input);
        Tensor q = L2Normalization.Apply(Heads(projected[0], _configuration.Heads), _unit);
        Tensor k = L2Normalization.Apply(Heads(projected[1], _configuration.Heads), _unit);
        Tensor v = Heads(projected[2], _configuration.ValueHeads);
        Tensor g = RecurrenceGates.LogDecays(projected[3], _stepBias, _logRate);
        Tensor beta = RecurrenceGates.Sigmoid(projected[4], _configuration.NegativeEigenvalues ? 2 : 1);
        var options = new GatedDeltaRuleOptions { InitialState = state?.Memory, Packed = context.Packed };
        Tensor mixed = state is null ? GatedDeltaRule.Apply(q, k, v, g, beta, options) : Advance(state);
        Tensor normed = _configuration.Gate
            ? GatedRmsNormalization.Apply(
                mixed, Heads(projected[5], _configuration.ValueHeads), _norm, _normEpsilon, _configuration.GateFirst)
            : RmsNormalization.Apply(mixed, _norm, _normEpsilon);
        Tensor joined = normed.Reshape(x.Shape[0], x.Shape[1], _configuration.ValueSize);
        return scope.Keep(_output.Forward(joined, context.Packed, state?.Output)[0]);

        Tensor Advance(RecurrentState state)
        {
            (Tensor y, Tensor final) = GatedDeltaRule.ApplyWithState(q, k, v, g, beta, options);
            state.Advance(final);
            return y;
        }
    }

    public override IMixerState CreateState(long batch, long maxTokens)
    {
        Shape memory = [batch, _configuration.ValueHeads, _configuration.KeyDimension, _configuration.ValueDimension];
        return new RecurrentState(Tensor.Zeros(memory, DType.Float32, _device), _input.CreateState(batch), _output.CreateState(batch));
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _unit.Dispose();
    }
}
