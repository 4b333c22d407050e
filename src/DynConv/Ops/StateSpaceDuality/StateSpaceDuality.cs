namespace DynConv.Ops;

/// <summary>
/// State space duality (Dao and Gu 2024), the recurrence of Mamba-2: a state that decays by a factor of its own for each token and
/// head, computed chunk by chunk as masked attention.
/// </summary>
public static partial class StateSpaceDuality
{
    /// <summary>
    /// Tokens of a chunk, counted from the start of each sequence. States handed on at multiples of it give the bits of the whole, and
    /// so do gradients, but for those of a and D, which are sums over all tokens.
    /// </summary>
    public const int ChunkTokens = TokenChunks.Size;

    private const string Op = "ssd";
    private const int XInput = 0;
    private const int DtInput = 1;
    private const int AInput = 2;
    private const int BInput = 3;
    private const int CInput = 4;
    private const int DInput = 5;
    private const int StateInput = 6;

    private static readonly StateSpaceDualityOptions Defaults = new();

    /// <summary>
    /// For each sequence and head, with a state <c>S [P, N]</c> and one token after the other:
    /// <c>S = e^{dt a} S + dt x bᵀ</c>, <c>y = S c + D x</c>. Head h uses group <c>h / (H / G)</c> of b and c.
    /// </summary>
    /// <param name="x">Inputs <c>[B, T, H, P]</c>, float32, or bfloat16 on CUDA; any strides.</param>
    /// <param name="dt">
    /// Step sizes, float32 <c>[B, T, H]</c>, as they enter the formula: behind the softplus and its bias. A step of 0 leaves the state
    /// as it is.
    /// </param>
    /// <param name="a">Rates of the decay, float32 <c>[H]</c>, below 0 as a rule.</param>
    /// <param name="b">What the state takes in, <c>[B, T, G, N]</c> of x's type; H is a multiple of G.</param>
    /// <param name="c">What is read from the state, the shape of <paramref name="b"/>.</param>
    /// <param name="options">D, initial state and packing.</param>
    /// <returns>y, <c>[B, T, H, P]</c>, contiguous; differentiable in all tensors.</returns>
    /// <remarks>
    /// States and sums are float32 where x, b and c are bfloat16. The backward pass computes the states again. The same bits every time.
    /// </remarks>
    /// <exception cref="TensorException">A shape or a dtype does not fit.</exception>
    public static Tensor Apply(
        Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, StateSpaceDualityOptions? options = null)
    {
        RefuseNull(x, dt, a, b, c);
        using var scope = new TensorScope();
        return scope.Keep(Run(x, dt, a, b, c, options ?? Defaults, withState: false)[0]);
    }

    /// <summary>The same, with the state after each sequence's last token, which the next part of it starts from.</summary>
    /// <inheritdoc cref="Apply" path="/param"/>
    /// <returns>
    /// y, and the final state, float32 <c>[B, H, P, N]</c>, with packed sequences one for each; both differentiable in all tensors.
    /// </returns>
    public static (Tensor Y, Tensor FinalState) ApplyWithState(
        Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, StateSpaceDualityOptions? options = null)
    {
        RefuseNull(x, dt, a, b, c);
        using var scope = new TensorScope();
        Tensor[] results = Run(x, dt, a, b, c, options ?? Defaults, withState: true);
        return (scope.Keep(results[0]), scope.Keep(results[1]));
    }

    private static void RefuseNull(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(dt);
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        ArgumentNullException.ThrowIfNull(c);
    }

    private static Tensor[] Run(
        Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, StateSpaceDualityOptions options, bool withState)
    {
        var tensors = new SsdTensors(x, dt, a, b, c, options.D, options.InitialState);
        Check(tensors, options.Packed);
        var shape = new SsdShape(
            new TokenSequences(x.Shape[0], x.Shape[1], options.Packed), x.Shape[2], b.Shape[2], x.Shape[3], b.Shape[3]);
        if (tensors.Initial is { } initial && initial.Shape != shape.States)
        {
            throw new TensorException(
                Op, $"initialState has to be {shape.States} for x {x.Shape} and b {b.Shape}, and is {initial.Shape}.", initial);
        }

        Tensor y = Tensor.Empty(x.Shape, x.DType, x.Device);
        Tensor? final = withState ? Tensor.Empty(shape.States, DType.Float32, x.Device) : null;
        if (x.Device.IsCuda)
        {
            ForwardCuda(shape, tensors, y, final);
        }
        else
        {
            ForwardCpu(shape, tensors, y, final);
        }

        Tensor[] results = final is null ? [y] : [y, final];
        Tensor?[] inputs = [x, dt, a, b, c, tensors.D, tensors.Initial];
        Tape.Record(Op, results, inputs, inputs, context => Backward(shape, context, withState));
        return results;
    }

    private static void Backward(SsdShape shape, BackwardContext g, bool withState)
    {
        var tensors = new SsdTensors(
            g.Saved(XInput),
            g.Saved(DtInput),
            g.Saved(AInput),
            g.Saved(BInput),
            g.Saved(CInput),
            g.SavedOrNull(DInput),
            g.SavedOrNull(StateInput));
        Tensor? dFinal = withState ? g.Gradient(1) : null;
        if (tensors.X.Device.IsCuda)
        {
            BackwardCuda(shape, tensors, g.Gradient(0), dFinal, g);
        }
        else
        {
            BackwardCpu(shape, tensors, g.Gradient(0), dFinal, g);
        }
    }

    private static void Check(SsdTensors tensors, PackedSequences? packed)
    {
        (Tensor x, Tensor b) = (tensors.X, tensors.B);
        OpArguments.Floating(Op, x, b, tensors.C);
        OpArguments.Rank(Op, "x", x, 4, "[B, T, H, P]");
        OpArguments.Rank(Op, "b", b, 4, "[B, T, G, N]");
        OpArguments.SameShape(Op, b, tensors.C);
        if (x.Shape[0] != b.Shape[0] || x.Shape[1] != b.Shape[1])
        {
            throw new TensorException(Op, $"x of shape {x.Shape} and b of shape {b.Shape} differ in batch or tokens.", x, b);
        }

        if (b.Shape[2] == 0 || x.Shape[2] % b.Shape[2] != 0)
        {
            throw new TensorException(Op, $"{x.Shape[2]} heads cannot share {b.Shape[2]} groups evenly.", x, b);
        }

        if (b.Shape[3] == 0)
        {
            throw new TensorException(Op, $"b of shape {b.Shape} makes states without elements; one at least is needed.", b);
        }

        HasShape("dt", tensors.Dt, "[B, T, H]", x.Shape[..3]);
        HasShape("a", tensors.A, "[H]", [x.Shape[2]]);
        OpArguments.Float32(Op, tensors.Dt, tensors.A);
        OpArguments.OneDevice(Op, x, tensors.Dt);
        if (tensors.D is { } d)
        {
            HasShape("D", d, "[H]", [x.Shape[2]]);
            OpArguments.Float32(Op, d, tensors.A);
        }

        if (tensors.Initial is { } initial)
        {
            OpArguments.Float32(Op, initial, tensors.A);
        }

        if (packed is not null && (x.Shape[0] != 1 || packed.Tokens != x.Shape[1]))
        {
            throw new TensorException(
                Op, $"packed sequences need a batch of 1 with their {packed.Tokens} tokens, and x is {x.Shape}.", x);
        }

        void HasShape(string name, Tensor tensor, string layout, Shape shape)
        {
            if (tensor.Shape != shape)
            {
                throw new TensorException(
                    Op, $"{name} has to be {layout}, which is {shape} for x {x.Shape}, and is {tensor.Shape}.", tensor, x);
            }
        }
    }
}
