namespace DynConv.Ops;

/// <summary>
/// One more token of each sequence on its way through a short convolution, whose state moves on with it: what generation
/// does with every token. <see cref="Run"/> takes all convolutions of a layer together, which on a GPU is one launch.
/// </summary>
/// <remarks>
/// A step is made for one run, right before it. It changes the state in place: what a tape keeps of that state for a backward
/// pass changes with it.
/// </remarks>
public sealed partial class ConvolutionStep
{
    private readonly string _op;
    private readonly ConvolutionInputs _inputs;
    private readonly Tensor _state;
    private readonly Tensor? _weight;
    private readonly Tensor? _factors;
    private readonly Tensor? _learned;
    private readonly Tensor[] _own; // views and copies of the arguments
    private bool _hasRun;

    private ConvolutionStep(
        string op,
        Tensor token,
        long width,
        Tensor? staticWeight,
        Tensor state,
        ShortConvolutionOptions options,
        Tensor? weight = null,
        Tensor? factors = null,
        Tensor? learned = null)
    {
        _inputs = ConvolutionInputs.Create(op, token, width, staticWeight, options with { InitialState = state });
        if (Overlap.Within(state))
        {
            throw new TensorException(op, "the state's strides make one element stand for several, which cannot move on.", state);
        }

        if (Overlap.Between(state, token))
        {
            throw new TensorException(op, "the state shares elements with x, which would change while it is read.", token, state);
        }

        (_op, _state) = (op, state);
        _weight = weight is null ? null : RowLayout.Of(weight, innerDimensions: 2);
        _factors = factors is null ? null : RowLayout.Of(factors);
        _learned = learned is null ? null : RowLayout.Of(learned);
        Tensor?[] made = [token, weight, factors, _inputs.X, _inputs.StaticWeight, _inputs.InitialState, _inputs.Bias, _weight, _factors, _learned];
        _own = [.. made.OfType<Tensor>().Where(tensor =>
            !ReferenceEquals(tensor, state) && !ReferenceEquals(tensor, staticWeight) && !ReferenceEquals(tensor, options.Bias)
            && !ReferenceEquals(tensor, learned))];
    }

    /// <summary>A token of a static convolution.</summary>
    /// <param name="x">The token, <c>[B, D]</c>.</param>
    /// <param name="staticWeight">The filters s, <c>[W, D]</c>.</param>
    /// <param name="state">The last W - 1 inputs, <c>[B, W-1, D]</c>, oldest first; x takes the newest place.</param>
    /// <param name="residual">Whether x is added to the result.</param>
    /// <param name="bias">Added to the sums, float32 <c>[D]</c>; none if not given.</param>
    /// <param name="activation">Applied to the sums.</param>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static ConvolutionStep Static(
        Tensor x, Tensor staticWeight, Tensor state,
        bool residual = false,
        Tensor? bias = null,
        ConvolutionActivation activation = ConvolutionActivation.None)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(staticWeight);
        ArgumentNullException.ThrowIfNull(state);
        Tensor token = Token(StaticConvolution.Op, "x", x, 2);
        return new(StaticConvolution.Op, token, StaticConvolution.Width(token, staticWeight), staticWeight, state, Options(residual, bias, activation));
    }

    /// <summary>A token of a head-wise convolution.</summary>
    /// <param name="x">The token, <c>[B, D]</c>.</param>
    /// <param name="weight">Its filters k, <c>[B, H, W]</c>.</param>
    /// <param name="staticWeight">The static weight s, <c>[W, D]</c>, if there is one.</param>
    /// <param name="state">The last W - 1 inputs, <c>[B, W-1, D]</c>, oldest first; x takes the newest place.</param>
    /// <param name="residual">Whether x is added to the result.</param>
    /// <param name="bias">Added to the sums, float32 <c>[D]</c>; none if not given.</param>
    /// <param name="activation">Applied to the sums.</param>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static ConvolutionStep HeadWise(
        Tensor x, Tensor weight, Tensor? staticWeight, Tensor state,
        bool residual = false,
        Tensor? bias = null,
        ConvolutionActivation activation = ConvolutionActivation.None)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentNullException.ThrowIfNull(state);
        Tensor token = Token(HeadWiseConvolution.Op, "x", x, 2);
        Tensor filters = Token(HeadWiseConvolution.Op, "weight", weight, 3);
        HeadWiseConvolution.CheckWeight(token, filters);
        return new(HeadWiseConvolution.Op, token, weight.Shape[2], staticWeight, state, Options(residual, bias, activation), weight: filters);
    }

    /// <summary>A token of a low-rank convolution.</summary>
    /// <param name="x">The token, <c>[B, D]</c>.</param>
    /// <param name="z">What mixes the learned filters, <c>[B, R]</c>.</param>
    /// <param name="u">The learned filters U, <c>[R, W·D]</c>.</param>
    /// <param name="staticWeight">The static weight s, <c>[W, D]</c>, if there is one.</param>
    /// <param name="state">The last W - 1 inputs, <c>[B, W-1, D]</c>, oldest first; x takes the newest place.</param>
    /// <param name="residual">Whether x is added to the result.</param>
    /// <param name="bias">Added to the sums, float32 <c>[D]</c>; none if not given.</param>
    /// <param name="activation">Applied to the sums.</param>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static ConvolutionStep LowRank(
        Tensor x, Tensor z, Tensor u, Tensor? staticWeight, Tensor state,
        bool residual = false,
        Tensor? bias = null,
        ConvolutionActivation activation = ConvolutionActivation.None)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(z);
        ArgumentNullException.ThrowIfNull(u);
        ArgumentNullException.ThrowIfNull(state);
        Tensor token = Token(LowRankConvolution.Op, "x", x, 2);
        Tensor factors = Token(LowRankConvolution.Op, "z", z, 2);
        long width = LowRankConvolution.Width(token, u);
        LowRankConvolution.CheckFactors(token, factors, u);
        return new(LowRankConvolution.Op, token, width, staticWeight, state, Options(residual, bias, activation), factors: factors, learned: u);
    }

    /// <summary>Convolves the tokens and moves the states on; records no gradient.</summary>
    /// <param name="steps">
    /// Convolutions with states of their own, each once. Those of as many sequences, as wide and of the same types share a
    /// launch, up to four.
    /// </param>
    /// <returns>
    /// y of each, <c>[B, D]</c>: bit for bit what the whole pass gives for that token, except for a low-rank convolution in
    /// bfloat16 on a GPU. There the whole pass adds up filters on tensor cores, in another order, and a result may be the
    /// next bfloat16.
    /// </returns>
    public static Tensor[] Run(params ReadOnlySpan<ConvolutionStep> steps)
    {
        Check(steps);
        using IDisposable pause = Tape.Pause();
        Tensor[] results = new Tensor[steps.Length];
        for (int i = 0; i < steps.Length; i++)
        {
            Tensor x = steps[i]._inputs.X;
            results[i] = Tensor.Empty([x.Shape[0], x.Shape[2]], x.DType, x.Device);
        }

        RunCuda(steps, results);
        for (int i = 0; i < steps.Length; i++)
        {
            if (!results[i].Device.IsCuda)
            {
                steps[i].RunCpu(results[i]);
            }

            steps[i].End();
        }

        return results;
    }

    private static ShortConvolutionOptions Options(bool residual, Tensor? bias, ConvolutionActivation activation) =>
        new() { Residual = residual, Bias = bias, Activation = activation };

    private static void Check(ReadOnlySpan<ConvolutionStep> steps)
    {
        for (int i = 0; i < steps.Length; i++)
        {
            ConvolutionStep step = steps[i];
            ArgumentNullException.ThrowIfNull(step, nameof(steps));
            if (step._hasRun)
            {
                throw new TensorException(step._op, "a step runs once; make one for each token.", step._state);
            }

            for (int k = 0; k < i; k++)
            {
                ConvolutionStep other = steps[k];
                if (Overlap.Between(step._state, other._state)
                    || Overlap.Between(step._state, other._inputs.X)
                    || Overlap.Between(other._state, step._inputs.X))
                {
                    throw new TensorException(
                        step._op, "a state of one step shares elements with another step of the same run, which would see it change.", step._state);
                }
            }
        }
    }

    private void End()
    {
        _hasRun = true;

        // A state with strides that kernels do not read has moved on in a copy.
        if (!ReferenceEquals(_inputs.InitialState, _state))
        {
            StridedCopy.Copy(_inputs.InitialState!, _state);
        }

        foreach (Tensor own in _own)
        {
            own.Dispose();
        }
    }

    /// <summary>A token's <c>[B, …]</c> as a sequence of one, <c>[B, 1, …]</c>.</summary>
    private static Tensor Token(string op, string name, Tensor tensor, int rank) => tensor.Rank == rank
        ? tensor.Reshape([tensor.Shape[0], 1, .. tensor.Shape.Dimensions[1..]])
        : throw new TensorException(op, $"{name} of one token has to have {rank} dimensions, and is {tensor.Shape}.", tensor);
}
