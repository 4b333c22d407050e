using DynConv.Ops;

namespace DynConv.Modules;

/// <summary>
/// Causal self-attention with rotary positions and grouped queries, and a short convolution behind each of queries, keys and
/// values if one is wanted: the layer that the paper improves.
/// </summary>
/// <remarks>Parameters are called as Hugging Face's Llama calls them: <c>q_proj.weight</c> and so on; convolutions <c>q_conv</c>.</remarks>
public sealed class CausalSelfAttention : Module
{
    private readonly Branch _queries;
    private readonly Branch _keys;
    private readonly Branch _values;
    private readonly Linear _output;
    private readonly RopeTable _rope;
    private readonly int _headDimension;
    private readonly Device _device;

    /// <summary>Makes the layer, without biases.</summary>
    /// <param name="channels">D, channels of x and y.</param>
    /// <param name="heads">Query heads; divide the channels into even parts.</param>
    /// <param name="random">Where the initial values come from.</param>
    /// <param name="keyValueHeads">Heads of keys and values; divide those of queries. As many if not given.</param>
    /// <param name="maximumLength">Tokens of the longest sequence.</param>
    /// <param name="ropeTheta">Base of the rotary frequencies.</param>
    /// <param name="convolution">
    /// Makes the convolution behind a linear layer, given its output channels, its input channels and a source of random
    /// numbers; none if not given.
    /// </param>
    /// <param name="device">Where the parameters live; the CPU if not given.</param>
    /// <exception cref="ArgumentException">The heads do not fit the channels, or one another.</exception>
    public CausalSelfAttention(
        int channels,
        int heads,
        RandomSource random,
        int? keyValueHeads = null,
        int maximumLength = 4096,
        double ropeTheta = 10_000,
        Func<int, int, RandomSource, ShortConvolution>? convolution = null,
        Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumLength, 1);
        ArgumentNullException.ThrowIfNull(random);
        if (channels % (2 * heads) != 0)
        {
            throw new ArgumentException($"{heads} heads do not divide {channels} channels into even parts.", nameof(heads));
        }

        KeyValueHeads = keyValueHeads ?? heads;
        if (KeyValueHeads < 1 || heads % KeyValueHeads != 0)
        {
            throw new ArgumentException($"{KeyValueHeads} heads of keys and values do not divide {heads} heads of queries.", nameof(keyValueHeads));
        }

        (Channels, Heads, MaximumLength) = (channels, heads, maximumLength);
        _headDimension = channels / heads;
        _device = device ?? Device.Cpu;
        _queries = new Branch("q", heads);
        _keys = new Branch("k", KeyValueHeads);
        _values = new Branch("v", KeyValueHeads);
        foreach (Branch branch in Branches)
        {
            int outputs = branch.Heads * _headDimension;
            branch.Projection = Add($"{branch.Name}_proj", new Linear(channels, outputs, random.Fork($"{branch.Name}_proj"), bias: false, device));
            branch.Convolution = convolution is null
                ? null
                : Add($"{branch.Name}_conv", convolution(outputs, channels, random.Fork($"{branch.Name}_conv")));
        }

        _output = Add("o_proj", new Linear(channels, channels, random.Fork("o_proj"), bias: false, device));
        _rope = new RopeTable(ropeTheta, _headDimension, maximumLength, _device);
    }

    /// <summary>D, channels of x and y.</summary>
    public int Channels { get; }

    /// <summary>Query heads.</summary>
    public int Heads { get; }

    /// <summary>Heads of keys and values.</summary>
    public int KeyValueHeads { get; }

    /// <summary>Tokens of the longest sequence.</summary>
    public int MaximumLength { get; }

    private Branch[] Branches => [_queries, _keys, _values];

    /// <summary>Mixes the tokens of each sequence; each sees itself and those before it.</summary>
    /// <param name="x"><c>[B, T, D]</c>.</param>
    /// <param name="state">
    /// What earlier tokens left behind, brought up to date; null where the sequences begin here. With a state no gradient is
    /// recorded.
    /// </param>
    /// <returns><c>[B, T, D]</c>.</returns>
    /// <exception cref="TensorException">The shape or dtype does not fit, or the state has no room for the tokens.</exception>
    public Tensor Forward(Tensor x, AttentionState? state = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        OpArguments.Rank("attention", "x", x, 3, "[B, T, D]");
        state?.CheckRoom(x);
        using var scope = new TensorScope();
        using IDisposable? pause = state is null ? null : Tape.Pause();
        long position = state?.Length ?? 0;
        Tensor q = Rope.Apply(Project(_queries, x, state?.Queries), _rope, position);
        Tensor k = Rope.Apply(Project(_keys, x, state?.Keys), _rope, position);
        Tensor v = Project(_values, x, state?.Values);
        if (state is not null)
        {
            (k, v) = state.Append(k, v);
        }

        Tensor mixed = Attention.Causal(q, k, v);
        return scope.Keep(_output.Forward(mixed.Reshape(x.Shape.Dimensions)));
    }

    /// <summary>The state before the first token.</summary>
    /// <param name="batch">B, sequences side by side.</param>
    /// <param name="dtype">What the layer computes in: float32, or bfloat16 on CUDA.</param>
    /// <param name="maximumLength">Tokens that it has room for; <see cref="MaximumLength"/> if not given.</param>
    public AttentionState CreateState(long batch, DType dtype = DType.Float32, long? maximumLength = null)
    {
        long length = maximumLength ?? MaximumLength;
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1, nameof(maximumLength));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaximumLength, nameof(maximumLength));
        return new AttentionState(
            Empty([batch, length, KeyValueHeads, _headDimension]), Empty([batch, length, KeyValueHeads, _headDimension]), [.. Branches.Select(Convolved)]);

        Tensor Empty(Shape shape) => TensorScope.Release(Tensor.Empty(shape, dtype, _device));

        Tensor? Convolved(Branch branch) => branch.Convolution is { } convolution
            ? TensorScope.Release(Tensor.Zeros([batch, convolution.Width - 1, convolution.Channels], dtype, _device))
            : null;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _rope.Dispose();
    }

    private Tensor Project(Branch branch, Tensor x, ConvolutionPlace? state)
    {
        Tensor y = branch.Projection!.Forward(x);
        if (branch.Convolution is { } convolution)
        {
            if (state is null)
            {
                y = convolution.Forward(y, x);
            }
            else
            {
                (y, Tensor final) = convolution.ForwardWithState(y, x, new ShortConvolutionOptions { InitialState = state.Inputs });
                state.Inputs!.CopyFrom(final);
            }
        }

        return y.Reshape(x.Shape[0], x.Shape[1], branch.Heads, _headDimension);
    }

    private sealed class Branch(string name, int heads)
    {
        public string Name { get; } = name;

        public int Heads { get; } = heads;

        public Linear? Projection { get; set; }

        public ShortConvolution? Convolution { get; set; }
    }
}
