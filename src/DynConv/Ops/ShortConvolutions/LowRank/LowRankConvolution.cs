namespace DynConv.Ops;

/// <summary>
/// The low-rank dynamic short convolution: every token has a filter for each channel, mixed from R learned ones,
/// <c>y[b,t,d] = Σ_w (Σ_r z[b,t,r] · U[r,w,d] + s[w,d]) · x[b,t-w,d]</c>. The filters are never stored.
/// </summary>
/// <inheritdoc cref="StaticConvolution" path="/remarks"/>
public static partial class LowRankConvolution
{
    internal const string Op = "low_rank_convolution";
    private const int FactorInput = ConvolutionInputs.OwnInput;
    private const int LearnedInput = ConvolutionInputs.OwnInput + 1;

    /// <summary>Convolves.</summary>
    /// <param name="x">Input, <c>[B, T, D]</c>.</param>
    /// <param name="z">What mixes the learned filters, <c>[B, T, R]</c>.</param>
    /// <param name="u">The learned filters U, <c>[R, W·D]</c>: column <c>w·D + d</c> is tap w of channel d; W is from 1 to 16.</param>
    /// <param name="staticWeight">The static weight s, <c>[W, D]</c>, if there is one.</param>
    /// <param name="options">Residual, state, packing and destination.</param>
    /// <returns>y, <c>[B, T, D]</c>; differentiable in x, z, U, s and the initial state.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor Apply(
        Tensor x, Tensor z, Tensor u, Tensor? staticWeight = null, ShortConvolutionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(z);
        ArgumentNullException.ThrowIfNull(u);
        options ??= ShortConvolutionOptions.Default;
        using var scope = new TensorScope();
        ConvolutionInputs.CheckRows(Op, x);
        ConvolutionInputs inputs = ConvolutionInputs.Create(Op, x, Width(x, u), staticWeight, options);
        CheckFactors(x, z, u);
        ConvolutionInputs.CheckApart(Op, options.Output, ("z", z), ("u", u));
        if (LowRankPadding.Pays(x, u, options))
        {
            return scope.Keep(LowRankPadding.Apply(x, z, u, staticWeight, options));
        }

        Tensor factors = TokenRows.HaveOneStride(z) ? RowLayout.Of(z) : z.Contiguous();
        Tensor basis = RowLayout.Of(u);
        Tensor y = inputs.Result(options);
        Forward(inputs, factors, basis, inputs.Finish, y);
        Tensor?[] operands = [.. inputs.Operands, factors, basis];
        return scope.Keep(Tape.Record(Op, y, operands, operands, g => Backward(inputs.Restore(g), g)));
    }

    /// <summary>Convolves, and returns the state that the next part of each sequence starts from.</summary>
    /// <inheritdoc cref="Apply" path="/param"/>
    /// <returns>y, and the final state <c>[B, W-1, D]</c> or <c>[N, W-1, D]</c> as <see cref="ConvolutionState.Final"/> defines it.</returns>
    public static (Tensor Y, Tensor FinalState) ApplyWithState(
        Tensor x, Tensor z, Tensor u, Tensor? staticWeight = null, ShortConvolutionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(z);
        ArgumentNullException.ThrowIfNull(u);
        Tensor y = Apply(x, z, u, staticWeight, options);
        return (y, ConvolutionState.Final(x, Width(x, u), options));
    }

    /// <summary>Convolves one more token of each sequence and moves the state on; records no gradient.</summary>
    /// <param name="x">The token, <c>[B, D]</c>.</param>
    /// <param name="z">What mixes the learned filters, <c>[B, R]</c>.</param>
    /// <param name="u">The learned filters U, <c>[R, W·D]</c>.</param>
    /// <param name="staticWeight">The static weight s, <c>[W, D]</c>, if there is one.</param>
    /// <param name="state">The last W - 1 inputs, <c>[B, W-1, D]</c>, oldest first; x takes the newest place.</param>
    /// <param name="residual">Whether x is added to the result.</param>
    /// <param name="bias">Added to the sums, float32 <c>[D]</c>; none if not given.</param>
    /// <param name="activation">Applied to the sums.</param>
    /// <returns>
    /// y, <c>[B, D]</c>: bit for bit what <see cref="Apply"/> gives for that token, but for bfloat16 on a GPU
    /// (<see cref="ConvolutionStep.Run"/>).
    /// </returns>
    public static Tensor Step(
        Tensor x, Tensor z, Tensor u, Tensor? staticWeight, Tensor state,
        bool residual = false,
        Tensor? bias = null,
        ConvolutionActivation activation = ConvolutionActivation.None)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(z);
        ArgumentNullException.ThrowIfNull(u);
        ArgumentNullException.ThrowIfNull(state);
        using var scope = new TensorScope();
        return scope.Keep(ConvolutionStep.Run(ConvolutionStep.LowRank(x, z, u, staticWeight, state, residual, bias, activation))[0]);
    }

    private static void Forward(ConvolutionInputs inputs, Tensor factors, Tensor basis, ConvolutionFinish finish, Tensor y)
    {
        if (y.Device.IsCuda)
        {
            ForwardCuda(inputs, factors, basis, finish, y);
        }
        else
        {
            ForwardCpu(inputs, factors, basis, finish, y);
        }
    }

    private static void Backward(ConvolutionInputs inputs, BackwardContext g)
    {
        (Tensor factors, Tensor basis) = (g.Saved(FactorInput), g.Saved(LearnedInput));
        Tensor dy = inputs.GradientOfSums(g, (finish, to) => Forward(inputs, factors, basis, finish, to));
        if (dy.Device.IsCuda)
        {
            BackwardCuda(inputs, factors, basis, dy, g);
        }
        else
        {
            BackwardCpu(inputs, factors, basis, dy, g);
        }
    }

    internal static long Width(Tensor x, Tensor u)
    {
        long channels = Math.Max(1, x.Shape[2]);
        return u.Rank == 2 && u.Shape[1] % channels == 0
            ? u.Shape[1] / channels
            : throw new TensorException(Op, $"u has to be [R, W·D] with D = {x.Shape[2]}, and is {u.Shape}.", x, u);
    }

    internal static void CheckFactors(Tensor x, Tensor z, Tensor u)
    {
        long rank = u.Shape[0];
        if (rank < 1)
        {
            throw new TensorException(Op, $"the rank has to be at least 1, and u is {u.Shape}.", x, z, u);
        }

        ConvolutionInputs.CheckTensor(Op, "z", z, [x.Shape[0], x.Shape[1], rank], "[B, T, R]", x);
        OpArguments.Weight(Op, "u", u, x);
    }
}
