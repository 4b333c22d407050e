using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models;

/// <summary>
/// A causal language model: an embedding, the pre-norm layers that its configuration lists, a norm and an output layer.
/// </summary>
public sealed class LanguageModel : Module
{
    private readonly Parameter _embedding;
    private readonly Layer[] _layers;
    private readonly Parameter _norm;
    private readonly Parameter? _output;
    private readonly ComputeWeight _computeEmbedding;
    private readonly ComputeWeight _computeOutput;
    private readonly RopeTables _ropeTables;

    /// <summary>Makes a model with fresh weights.</summary>
    /// <param name="configuration">Its shape.</param>
    /// <param name="seed">Weights depend on this, on their names and on nothing else.</param>
    /// <param name="device">Where the weights live; the CPU if not given.</param>
    /// <param name="dtype">
    /// What it computes in: float32, or bfloat16 on CUDA. Weights and their gradients are float32 either way.
    /// </param>
    public LanguageModel(
        ModelConfiguration configuration, ulong seed = 0, Device? device = null, DType dtype = DType.Float32)
        : this(configuration, device, dtype, new RandomSource(seed))
    {
    }

    private LanguageModel(ModelConfiguration configuration, Device? device, DType dtype, RandomSource? random)
    {
        using var guard = new ReleaseGuard();
        Configuration = configuration.Validate();
        Device = device ?? Device.Cpu;
        ComputeType = ComputeTypes.Check(dtype, Device);
        _ropeTables = new RopeTables(configuration.MaxPositions, Device);

        // Each mixer adds to the residual stream; scaled by this, the stream's variance does not grow with depth.
        double residualScale = 1 / Math.Sqrt(configuration.Mixers.Count());
        var factory = new ParameterFactory(random, Device, dtype, residualScale, _ropeTables);
        Shape vocabulary = [configuration.VocabularySize, configuration.HiddenSize];
        _embedding = Add("model.embed_tokens.weight", factory.Embedding("model.embed_tokens.weight", vocabulary));
        _layers = new Layer[configuration.Layers.Count];
        for (int i = 0; i < _layers.Length; i++)
        {
            string name = $"model.layers.{i}";
            _layers[i] = Add(name, new Layer(factory.Inside(name), configuration.Layers[i], configuration));
        }

        _norm = Add("model.norm.weight", factory.NormScale(configuration.HiddenSize));
        if (!configuration.TiedEmbeddings)
        {
            _output = Add("lm_head.weight", factory.Embedding("lm_head.weight", vocabulary));
        }

        _computeEmbedding = new ComputeWeight(_embedding, dtype);
        _computeOutput = _output is null ? _computeEmbedding : new ComputeWeight(_output, dtype);
        guard.Commit();
    }

    /// <summary>The model's shape.</summary>
    public ModelConfiguration Configuration { get; }

    /// <summary>Where its weights live.</summary>
    public Device Device { get; }

    /// <summary>What activations, and so the scores, are computed in: float32 or bfloat16.</summary>
    public DType ComputeType { get; }

    /// <summary>
    /// Whether a backward pass computes each layer again, in place of keeping what is inside of it from the forward pass on: the same
    /// gradients for about a quarter more time, and the memory of one layer's inside in place of all layers'.
    /// </summary>
    public bool RecomputesLayers { get; set; }

    /// <summary>A model whose weights are still to be read.</summary>
    internal static LanguageModel Uninitialized(ModelConfiguration configuration, Device? device, DType dtype) =>
        new(configuration, device, dtype, null);

    /// <summary>Scores of every token id as the next token.</summary>
    /// <param name="ids">int32 <c>[B, T]</c>.</param>
    /// <param name="state">What earlier tokens left behind, brought up to date; null if the sequences start here.</param>
    /// <param name="lastOnly">Whether to score only after the last token: <c>[B, 1, vocabulary]</c>.</param>
    /// <param name="packed">Bounds of sequences that share one row, B = 1, and do not see one another; not with a state.</param>
    /// <returns><c>[B, T, vocabulary]</c>, in <see cref="ComputeType"/>.</returns>
    /// <exception cref="DynConvException">The state has no room for the tokens, or the bounds do not fit the ids.</exception>
    public Tensor Forward(Tensor ids, ModelState? state = null, bool lastOnly = false, PackedSequences? packed = null)
    {
        using var scope = new TensorScope();
        ResidualStream hidden = Hidden(ids, state, packed, null);
        return scope.Keep(Logits(lastOnly ? hidden.Last() : hidden));
    }

    /// <summary>What training minimises: the mean cross-entropy of the next tokens and what mixers add to it, in nats.</summary>
    /// <param name="ids">int32 <c>[B, T]</c>.</param>
    /// <param name="targets">int32 <c>[B, T]</c>: the token after each; -100 where none counts.</param>
    /// <param name="packed">Bounds of sequences that share one row, B = 1, and do not see one another.</param>
    /// <returns>A scalar, float32.</returns>
    public Tensor Loss(Tensor ids, Tensor targets, PackedSequences? packed = null)
    {
        using var scope = new TensorScope();
        return scope.Keep(LossParts(ids, targets, packed).Total);
    }

    /// <summary>What <see cref="Loss"/> computes, and the cross-entropy in it.</summary>
    /// <inheritdoc cref="Loss" path="/param"/>
    /// <returns>Two scalars, float32; one and the same tensor where no mixer adds anything.</returns>
    public (Tensor Total, Tensor CrossEntropy) LossParts(Tensor ids, Tensor targets, PackedSequences? packed = null)
    {
        using var scope = new TensorScope();
        var auxiliary = new List<Tensor>();
        try
        {
            Tensor crossEntropy = MeanLoss(Hidden(ids, null, packed, auxiliary), targets);
            Tensor total = auxiliary.Aggregate(crossEntropy, Elementwise.Add);
            return (scope.Keep(total), scope.Keep(crossEntropy));
        }
        finally
        {
            auxiliary.ForEach(term => term.Dispose());
        }
    }

    /// <summary>Cross-entropy of each next token, in nats; takes no part in gradients.</summary>
    /// <param name="ids">int32 <c>[B, T]</c>.</param>
    /// <param name="targets">int32 <c>[B, T]</c>: the token after each; -100 where none counts, which gives 0.</param>
    /// <param name="packed">Bounds of sequences that share one row, B = 1, and do not see one another.</param>
    /// <returns>float32 <c>[B * T]</c>.</returns>
    public Tensor TokenLosses(Tensor ids, Tensor targets, PackedSequences? packed = null)
    {
        using IDisposable pause = Tape.Pause();
        using var scope = new TensorScope();
        Tensor normed = Normed(Hidden(ids, null, packed, null));
        using FiniteCheck.PlaceGuard place = FiniteCheck.Enter("lm_head");
        return scope.Keep(LinearCrossEntropy.Rows(normed, _computeOutput.Current(), targets).Reshape(ids.Count));
    }

    /// <summary>The state before the first token.</summary>
    /// <param name="batch">Sequences side by side.</param>
    /// <param name="maxTokens">The longest that a sequence will become.</param>
    public ModelState CreateState(long batch, long maxTokens)
    {
        using var guard = new ReleaseGuard();
        var state = new ModelState([.. _layers.Select(layer => layer.CreateState(batch, maxTokens))], batch, maxTokens);
        guard.Commit();
        return state;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _computeEmbedding.Dispose();
        _computeOutput.Dispose();
        _ropeTables.Dispose();
    }

    private ResidualStream Hidden(Tensor ids, ModelState? state, PackedSequences? packed, List<Tensor>? losses)
    {
        using TokenPositions positions = Positions(ids, state, packed);
        var context = new MixerContext(positions, losses, null);
        state?.Begin();
        ResidualStream x;
        using (FiniteCheck.Enter("model.embed_tokens"))
        {
            x = new(EmbeddingLookup.Apply(_computeEmbedding.Current(), ids));
        }

        for (int i = 0; i < _layers.Length; i++)
        {
            ResidualStream next = RecomputesLayers && state is null && Tape.IsRecording(x.Sum, x.Added)
                ? new(RecomputedLayer.Forward(_layers[i], x.Total(), positions, losses, () => Positions(ids, null, packed)))
                : _layers[i].Forward(x, context, state?.Layers[i]);
            x.DisposeBefore(next);
            x = next;
        }

        state?.Advance(ids.Shape[1]);
        return x;
    }

    private static TokenPositions Positions(Tensor ids, ModelState? state, PackedSequences? packed)
    {
        if (ids.Rank != 2)
        {
            throw new TensorException("language_model", $"ids have the shape [B, T], and these are {ids.Shape}.", ids);
        }

        (long batch, long tokens) = (ids.Shape[0], ids.Shape[1]);
        if (packed is null)
        {
            state?.CheckRoom(batch, tokens);
            return new TokenPositions(state is null ? new long[batch] : [.. state.Lengths], tokens);
        }

        if (state is not null)
        {
            throw new DynConvException("Packed sequences start and end in one call; they have no state.");
        }

        return batch == 1 && packed.Tokens == tokens ? new TokenPositions(packed) : throw new TensorException(
            "language_model", $"packed sequences of {packed.Tokens} tokens need ids of shape [1, {packed.Tokens}], not {ids.Shape}.", ids);
    }

    private Tensor MeanLoss(ResidualStream hidden, Tensor targets)
    {
        Tensor normed = Normed(hidden);
        using FiniteCheck.PlaceGuard place = FiniteCheck.Enter("lm_head");
        return LinearCrossEntropy.Mean(normed, _computeOutput.Current(), targets);
    }

    private Tensor Logits(ResidualStream hidden)
    {
        Tensor normed = Normed(hidden);
        using FiniteCheck.PlaceGuard place = FiniteCheck.Enter("lm_head");
        return MatMul.Linear(normed, _computeOutput.Current());
    }

    private Tensor Normed(ResidualStream hidden)
    {
        using FiniteCheck.PlaceGuard place = FiniteCheck.Enter("model.norm");
        return hidden.Normed(_norm, (float)Configuration.NormEpsilon).Normed;
    }
}

/// <summary>What a model keeps of the tokens that it has seen: keys, values and the convolutions' last inputs.</summary>
public sealed class ModelState : IDisposable
{
    private readonly long[] _lengths;
    private readonly long _maxTokens;
    private bool _midway;

    internal ModelState(IReadOnlyList<LayerState> layers, long batch, long maxTokens)
    {
        Layers = layers;
        _lengths = new long[batch];
        _maxTokens = maxTokens;
    }

    /// <summary>For each sequence how many tokens the model has seen.</summary>
    public IReadOnlyList<long> Lengths => _lengths;

    internal IReadOnlyList<LayerState> Layers { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (LayerState layer in Layers)
        {
            layer.Dispose();
        }
    }

    /// <summary>From here to <see cref="Advance"/> some layers have seen the new tokens and others have not.</summary>
    internal void Begin() => _midway = true;

    internal void CheckRoom(long batch, long tokens)
    {
        if (_midway)
        {
            throw new DynConvException("A call with this state failed before its end, so the layers do not agree on what they have seen; start with a fresh one.");
        }

        if (batch != _lengths.Length)
        {
            throw new DynConvException($"The state is of {_lengths.Length} sequences, and tokens of {batch} came.");
        }

        if (_lengths.Length > 0 && _lengths.Max() + tokens > _maxTokens)
        {
            throw new DynConvException($"The cache has room for {_maxTokens} tokens; {_lengths.Max()} are there and {tokens} came.");
        }
    }

    internal void Advance(long tokens)
    {
        _midway = false;
        for (int i = 0; i < _lengths.Length; i++)
        {
            _lengths[i] += tokens;
        }
    }
}
