using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// Attention with grouped queries and a rotary position embedding, as in Llama; optionally with QK-norm and with short
/// convolutions on <c>q k v o</c>.
/// </summary>
internal sealed class CausalSelfAttention : Mixer
{
    private readonly ModelConfiguration _configuration;
    private readonly RopeTable _rope;
    private readonly Device _device;
    private readonly DType _computeType;
    private readonly ConvolvedLinear _input;
    private readonly ConvolvedLinear _output;
    private readonly Parameter? _queryNorm;
    private readonly Parameter? _keyNorm;

    public CausalSelfAttention(ParameterFactory factory, ModelConfiguration configuration, RopeTable rope)
    {
        _configuration = configuration;
        _rope = rope;
        _device = factory.Device;
        _computeType = factory.ComputeType;
        _input = Add("", new ConvolvedLinear(factory, configuration, configuration.HiddenSize, ["q", "k", "v"], writesResidual: false));
        _output = Add("", new ConvolvedLinear(factory, configuration, configuration.QuerySize, ["o"], writesResidual: true));
        if (configuration.QkNorm)
        {
            _queryNorm = Add("q_norm.weight", factory.NormScale(configuration.HeadDimension));
            _keyNorm = Add("k_norm.weight", factory.NormScale(configuration.HeadDimension));
        }
    }

    public override Tensor Forward(Tensor x, IMixerState? state)
    {
        using var scope = new TensorScope();
        var cache = (State?)state;
        long position = cache?.Length ?? 0;
        Tensor[] qkv = _input.Forward(x, cache?.Input);
        Tensor q = Rotate(Heads(qkv[0], _configuration.AttentionHeads), _queryNorm, position);
        Tensor k = Rotate(Heads(qkv[1], _configuration.KeyValueHeads), _keyNorm, position);
        Tensor v = Heads(qkv[2], _configuration.KeyValueHeads);
        if (cache is not null)
        {
            (k, v) = cache.Append(k, v);
        }

        Tensor mixed = Attention.Causal(q, k, v);
        Tensor joined = mixed.Reshape(x.Shape[0], x.Shape[1], _configuration.QuerySize);
        return scope.Keep(_output.Forward(joined, cache?.Output)[0]);
    }

    public override IMixerState CreateState(long batch, long maxTokens)
    {
        Shape shape = [batch, maxTokens, _configuration.KeyValueHeads, _configuration.HeadDimension];
        return new State(Cache(), Cache(), _input.CreateState(batch), _output.CreateState(batch));

        Tensor Cache() => TensorScope.Release(Tensor.Empty(shape, _computeType, _device));
    }

    private Tensor Rotate(Tensor heads, Parameter? norm, long position)
    {
        Tensor normed = norm is null ? heads : RmsNorm.Apply(heads, norm, (float)_configuration.NormEpsilon);
        return Rope.Apply(normed, _rope, position);
    }

    private Tensor Heads(Tensor x, int heads) =>
        x.Reshape(x.Shape[0], x.Shape[1], heads, _configuration.HeadDimension);

    private sealed class State(Tensor keys, Tensor values, ConvolutionStates input, ConvolutionStates output) : IMixerState
    {
        public long Length { get; private set; }

        public ConvolutionStates Input { get; } = input;

        public ConvolutionStates Output { get; } = output;

        public (Tensor Keys, Tensor Values) Append(Tensor k, Tensor v)
        {
            long tokens = k.Shape[1];
            if (Length + tokens > keys.Shape[1])
            {
                throw new DynConvException(
                    $"The cache has room for {keys.Shape[1]} tokens; {Length} are there and {tokens} came.");
            }

            keys.Slice(1, Length, tokens).CopyFrom(k);
            values.Slice(1, Length, tokens).CopyFrom(v);
            Length += tokens;
            return (keys.Slice(1, 0, Length), values.Slice(1, 0, Length));
        }

        public void Dispose()
        {
            keys.Dispose();
            values.Dispose();
            Input.Dispose();
            Output.Dispose();
        }
    }
}
