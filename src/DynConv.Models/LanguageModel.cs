using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models;

/// <summary>
/// A causal language model of pre-norm blocks: Llama, with short convolutions where its configuration asks for them.
/// </summary>
public sealed class LanguageModel : Module
{
    private readonly Parameter _embedding;
    private readonly Block[] _blocks;
    private readonly Parameter _norm;
    private readonly Parameter? _output;
    private readonly ComputeWeight _computeEmbedding;
    private readonly ComputeWeight _computeOutput;
    private readonly RopeTable _rope;

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
        Configuration = configuration.Validate();
        Device = device ?? Device.Cpu;
        ComputeType = ComputeTypes.Check(dtype, Device);
        _rope = new RopeTable(
            configuration.Rope.Frequencies(configuration.HeadDimension), configuration.MaxPositions, Device);

        // Each block adds to the residual stream twice; scaled by this, the stream's variance does not grow with depth.
        double residualScale = 1 / Math.Sqrt(2.0 * configuration.Layers);
        var factory = new ParameterFactory(random, Device, dtype, "", residualScale);
        Shape vocabulary = [configuration.VocabularySize, configuration.HiddenSize];
        _embedding = Add("model.embed_tokens.weight", factory.Matrix("model.embed_tokens.weight", vocabulary));
        _blocks = new Block[configuration.Layers];
        for (int i = 0; i < _blocks.Length; i++)
        {
            string name = $"model.layers.{i}";
            _blocks[i] = Add(name, new Block(factory.Inside(name), configuration, _rope));
        }

        _norm = Add("model.norm.weight", factory.NormScale(configuration.HiddenSize));
        if (!configuration.TiedEmbeddings)
        {
            _output = Add("lm_head.weight", factory.Matrix("lm_head.weight", vocabulary));
        }

        _computeEmbedding = new ComputeWeight(_embedding, dtype);
        _computeOutput = _output is null ? _computeEmbedding : new ComputeWeight(_output, dtype);
    }

    /// <summary>The model's shape.</summary>
    public ModelConfiguration Configuration { get; }

    /// <summary>Where its weights live.</summary>
    public Device Device { get; }

    /// <summary>What activations, and so the scores, are computed in: float32 or bfloat16.</summary>
    public DType ComputeType { get; }

    /// <summary>Number of parameters.</summary>
    public long ParameterCount => NamedParameters().Sum(parameter => parameter.Value.Shape.Count);

    /// <summary>A model whose weights are still to be read.</summary>
    internal static LanguageModel Uninitialized(ModelConfiguration configuration, Device? device, DType dtype) =>
        new(configuration, device, dtype, null);

    /// <summary>Scores of every token id as the next token.</summary>
    /// <param name="ids">int32 <c>[B, T]</c>.</param>
    /// <param name="state">What earlier tokens left behind, brought up to date; null if the sequences start here.</param>
    /// <param name="lastOnly">Whether to score only after the last token: <c>[B, 1, vocabulary]</c>.</param>
    /// <returns><c>[B, T, vocabulary]</c>, in <see cref="ComputeType"/>.</returns>
    public Tensor Forward(Tensor ids, ModelState? state = null, bool lastOnly = false)
    {
        using var scope = new TensorScope();
        Tensor hidden = Hidden(ids, state);
        return scope.Keep(Logits(lastOnly ? hidden.Slice(1, hidden.Shape[1] - 1, 1) : hidden));
    }

    /// <summary>Mean cross-entropy of the next tokens, in nats.</summary>
    /// <param name="ids">int32 <c>[B, T]</c>.</param>
    /// <param name="targets">int32 <c>[B, T]</c>: the token after each; -100 where none counts.</param>
    /// <returns>A scalar, float32.</returns>
    public Tensor Loss(Tensor ids, Tensor targets)
    {
        using var scope = new TensorScope();
        Tensor logits = Logits(Hidden(ids, null));
        using FiniteCheck.PlaceGuard place = FiniteCheck.Enter("loss");
        return scope.Keep(CrossEntropy.Mean(logits.Reshape(ids.Count, logits.Shape[^1]), targets.Reshape(ids.Count)));
    }

    /// <summary>Cross-entropy of each next token, in nats; takes no part in gradients.</summary>
    /// <param name="ids">int32 <c>[B, T]</c>.</param>
    /// <param name="targets">int32 <c>[B, T]</c>: the token after each; -100 where none counts, which gives 0.</param>
    /// <returns>float32 <c>[B * T]</c>.</returns>
    public Tensor TokenLosses(Tensor ids, Tensor targets)
    {
        using IDisposable pause = Tape.Pause();
        using var scope = new TensorScope();
        Tensor logits = Logits(Hidden(ids, null));
        return scope.Keep(CrossEntropy.Rows(logits.Reshape(ids.Count, logits.Shape[^1]), targets.Reshape(ids.Count)));
    }

    /// <summary>The state before the first token.</summary>
    /// <param name="batch">Sequences side by side.</param>
    /// <param name="maxTokens">The longest that a sequence will become.</param>
    public ModelState CreateState(long batch, long maxTokens) =>
        new([.. _blocks.Select(block => block.CreateState(batch, maxTokens))]);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _computeEmbedding.Dispose();
        _computeOutput.Dispose();
        _rope.Dispose();
    }

    private Tensor Hidden(Tensor ids, ModelState? state)
    {
        Tensor x;
        using (FiniteCheck.Enter("model.embed_tokens"))
        {
            x = Embedding.Apply(_computeEmbedding.Current(), ids);
        }

        for (int i = 0; i < _blocks.Length; i++)
        {
            Tensor next = _blocks[i].Forward(x, state?.Blocks[i]);
            x.Dispose();
            x = next;
        }

        return x;
    }

    private Tensor Logits(Tensor hidden)
    {
        Tensor normed;
        using (FiniteCheck.Enter("model.norm"))
        {
            normed = RmsNorm.Apply(hidden, _norm, (float)Configuration.NormEpsilon);
        }

        using FiniteCheck.PlaceGuard place = FiniteCheck.Enter("lm_head");
        return MatMul.Linear(normed, _computeOutput.Current());
    }
}

/// <summary>What a model keeps of the tokens that it has seen: keys, values and the convolutions' last inputs.</summary>
public sealed class ModelState : IDisposable
{
    internal ModelState(IReadOnlyList<BlockState> blocks) => Blocks = blocks;

    internal IReadOnlyList<BlockState> Blocks { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (BlockState block in Blocks)
        {
            block.Dispose();
        }
    }
}
