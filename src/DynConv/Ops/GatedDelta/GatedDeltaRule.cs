namespace DynConv.Ops;

/// <summary>
/// The gated delta rule (Yang et al. 2024): a linear attention whose state forgets by a factor and corrects what it has stored
/// under a key.
/// </summary>
public static partial class GatedDeltaRule
{
    /// <summary>
    /// Tokens of a chunk, counted from the start of each sequence. States handed on at multiples of it give the bits of the whole.
    /// </summary>
    public const int ChunkTokens = TokenChunks.Size;

    private const string Op = "gated_delta_rule";
    private const int QInput = 0;
    private const int KInput = 1;
    private const int VInput = 2;
    private const int GInput = 3;
    private const int BetaInput = 4;
    private const int StateInput = 5;
    private const int StatesSaved = 6;

    private static readonly GatedDeltaRuleOptions Defaults = new();

    /// <summary>
    /// For each sequence and value head, with a state <c>S [K, V]</c> and one token after the other:
    /// <c>S = e^g S</c>, <c>S = S + k (beta (v - Sᵀ k))ᵀ</c>, <c>y = scale Sᵀ q</c>. Value head h uses query and key head
    /// <c>h / (Hv / H)</c>.
    /// </summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>, any strides.</param>
    /// <param name="k">Keys, the shape of <paramref name="q"/>; of norm 1 as a rule, which is the caller's affair.</param>
    /// <param name="v">Values <c>[B, T, Hv, V]</c>, Hv a multiple of H.</param>
    /// <param name="g">
    /// Logarithms of the decay, float32 <c>[B, T, Hv]</c>, at most 0 as a rule; negative infinity forgets everything.
    /// </param>
    /// <param name="beta">How far what is stored is corrected, float32 <c>[B, T, Hv]</c>, from 0 to 1, or 2.</param>
    /// <param name="options">Scale, initial state and packing.</param>
    /// <returns>y, <c>[B, T, Hv, V]</c>, contiguous; differentiable in all tensors.</returns>
    /// <remarks>
    /// States and sums are float32 where q, k and v are bfloat16. The CPU works chunk by chunk with matrix products, CUDA token by
    /// token; either gives the same bits every time.
    /// </remarks>
    /// <exception cref="TensorException">A shape or a dtype does not fit.</exception>
    public static Tensor Apply(
        Tensor q, Tensor k, Tensor v, Tensor g, Tensor beta, GatedDeltaRuleOptions? options = null)
    {
        RefuseNull(q, k, v, g, beta);
        using var scope = new TensorScope();
        return scope.Keep(Run(q, k, v, g, beta, options, withState: false)[0]);
    }

    /// <summary>The same, with the state after each sequence's last token, which the next part of it starts from.</summary>
    /// <inheritdoc cref="Apply" path="/param"/>
    /// <returns>
    /// y, and the final state, float32 <c>[B, Hv, K, V]</c> or <c>[N, Hv, K, V]</c>; both differentiable in all tensors.
    /// </returns>
    public static (Tensor Y, Tensor FinalState) ApplyWithState(
        Tensor q, Tensor k, Tensor v, Tensor g, Tensor beta, GatedDeltaRuleOptions? options = null)
    {
        RefuseNull(q, k, v, g, beta);
        using var scope = new TensorScope();
        Tensor[] results = Run(q, k, v, g, beta, options, withState: true);
        return (scope.Keep(results[0]), scope.Keep(results[1]));
    }

    private static void RefuseNull(Tensor q, Tensor k, Tensor v, Tensor g, Tensor beta)
    {
        ArgumentNullException.ThrowIfNull(q);
        ArgumentNullException.ThrowIfNull(k);
        ArgumentNullException.ThrowIfNull(v);
        ArgumentNullException.ThrowIfNull(g);
        ArgumentNullException.ThrowIfNull(beta);
    }

    private static Tensor[] Run(
        Tensor q, Tensor k, Tensor v, Tensor g, Tensor beta, GatedDeltaRuleOptions? options, bool withState)
    {
        options ??= Defaults;
        Tensor? initial = options.InitialState;
        Check(q, k, v, g, beta, initial);
        GatedDeltaShape shape = ShapeOf(q, v, options);
        if (initial is not null && initial.Shape != shape.States)
        {
            throw new TensorException(
                Op, $"initialState has to be {shape.States} for q {q.Shape} and v {v.Shape}, and is {initial.Shape}.", initial);
        }

        Tensor y = Tensor.Empty(v.Shape, v.DType, v.Device);
        Tensor? final = withState ? Tensor.Empty(shape.States, DType.Float32, v.Device) : null;
        Tensor?[] inputs = [q, k, v, g, beta, initial];
        Tensor? states = Tape.IsRecording(inputs)
            ? Tensor.Empty([shape.Chunks, shape.ValueHeads, shape.KeySize, shape.ValueSize], DType.Float32, v.Device)
            : null;
        var tensors = new GatedDeltaTensors(q, k, v, g, beta, initial);
        if (v.Device.IsCuda)
        {
            ForwardCuda(shape, tensors, y, final, states);
        }
        else
        {
            ForwardCpu(shape, tensors, y, final, states);
        }

        Tensor[] results = final is null ? [y] : [y, final];
        Tape.Record(Op, results, inputs, [.. inputs, states], context => Backward(shape, context, withState));
        return results;
    }

    private static void Backward(GatedDeltaShape shape, BackwardContext g, bool withState)
    {
        var tensors = new GatedDeltaTensors(
            g.Saved(QInput), g.Saved(KInput), g.Saved(VInput), g.Saved(GInput), g.Saved(BetaInput), g.SavedOrNull(StateInput));
        Tensor? dFinal = withState ? g.Gradient(1) : null;
        if (tensors.V.Device.IsCuda)
        {
            BackwardCuda(shape, tensors, g.Saved(StatesSaved), g.Gradient(0), dFinal, g);
        }
        else
        {
            BackwardCpu(shape, tensors, g.Saved(StatesSaved), g.Gradient(0), dFinal, g);
        }
    }

    private static void Check(Tensor q, Tensor k, Tensor v, Tensor g, Tensor beta, Tensor? initial)
    {
        OpArguments.Floating(Op, q, k, v);
        OpArguments.Rank(Op, "q", q, 4, "[B, T, H, K]");
        OpArguments.SameShape(Op, q, k);
        OpArguments.Rank(Op, "v", v, 4, "[B, T, Hv, V]");
        if (q.Shape[0] != v.Shape[0] || q.Shape[1] != v.Shape[1])
        {
            throw new TensorException(Op, $"q of shape {q.Shape} and v of shape {v.Shape} differ in batch or tokens.", q, v);
        }

        if (q.Shape[2] == 0 || v.Shape[2] % q.Shape[2] != 0)
        {
            throw new TensorException(Op, $"{v.Shape[2]} value heads cannot share {q.Shape[2]} query and key heads evenly.", q, v);
        }

        if (q.Shape[3] == 0)
        {
            throw new TensorException(Op, $"q of shape {q.Shape} has heads without channels; one at least is needed.", q);
        }

        foreach ((string name, Tensor gate) in new[] { ("g", g), ("beta", beta) })
        {
            if (gate.Shape != v.Shape[..3])
            {
                throw new TensorException(Op, $"{name} has to be [B, T, Hv], which is {v.Shape[..3]} for v {v.Shape}, and is {gate.Shape}.", gate, v);
            }
        }

        OpArguments.Float32(Op, initial is null ? [g, beta] : [g, beta, initial]);
        OpArguments.OneDevice(Op, v, g);
    }

    private static GatedDeltaShape ShapeOf(Tensor q, Tensor v, GatedDeltaRuleOptions options)
    {
        if (options.Packed is { } packed && (q.Shape[0] != 1 || packed.Tokens != q.Shape[1]))
        {
            throw new TensorException(
                Op, $"packed sequences need a batch of 1 with their {packed.Tokens} tokens, and q is {q.Shape}.", q);
        }

        return new GatedDeltaShape(
            new TokenSequences(q.Shape[0], q.Shape[1], options.Packed),
            q.Shape[2],
            v.Shape[2],
            q.Shape[3],
            v.Shape[3],
            options.Scale ?? 1f / MathF.Sqrt(q.Shape[3]));
    }
}
