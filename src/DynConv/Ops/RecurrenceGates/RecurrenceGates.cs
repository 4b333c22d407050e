namespace DynConv.Ops;

/// <summary>
/// What a projection says of each token and head to a recurrence: step sizes, decays, how far to correct. Always float32, whatever the
/// projection holds, because a decay close to 1 acts over thousands of tokens.
/// </summary>
public static partial class RecurrenceGates
{
    private const string StepSizesOp = "step_sizes";
    private const string LogDecaysOp = "log_decays";
    private const string SigmoidOp = "sigmoid_gates";
    private const int XInput = 0;
    private const int BiasInput = 1;
    private const int RateInput = 2;
    private const int YSaved = 3;

    // In the order of recurrence_gates.cu.
    private enum Gate
    {
        StepSizes,
        LogDecays,
        Sigmoid,
    }

    /// <summary>Mamba-2's step sizes, <c>dt = softplus(x + bias)</c> (Dao and Gu 2024).</summary>
    /// <param name="x"><c>[..., H]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="bias">float32 <c>[H]</c>.</param>
    /// <returns>float32 of x's shape, above 0; differentiable in both.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor StepSizes(Tensor x, Tensor bias)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(bias);
        Check(StepSizesOp, x, ("the bias", bias));
        return Apply(StepSizesOp, Gate.StepSizes, x, bias, null, factor: 1);
    }

    /// <summary>
    /// Logarithms of the gated delta rule's decays, <c>g = -e^logRate softplus(x + bias)</c> (Yang et al. 2024).
    /// </summary>
    /// <param name="x"><c>[..., H]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="bias">float32 <c>[H]</c>.</param>
    /// <param name="logRate">float32 <c>[H]</c>; <c>A_log</c> in checkpoints.</param>
    /// <returns>float32 of x's shape, below 0; differentiable in all.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit.</exception>
    public static Tensor LogDecays(Tensor x, Tensor bias, Tensor logRate)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(bias);
        ArgumentNullException.ThrowIfNull(logRate);
        Check(LogDecaysOp, x, ("the bias", bias), ("the rate", logRate));
        return Apply(LogDecaysOp, Gate.LogDecays, x, bias, logRate, factor: 1);
    }

    /// <summary><c>factor / (1 + e^-x)</c>: with a factor of 2 the gated delta rule can turn what it has stored into its negative.</summary>
    /// <param name="x">float32, or bfloat16 on CUDA, any shape and strides.</param>
    /// <param name="factor">One number for all of them.</param>
    /// <returns>float32 of x's shape.</returns>
    /// <exception cref="TensorException">x holds whole numbers.</exception>
    public static Tensor Sigmoid(Tensor x, float factor = 1)
    {
        ArgumentNullException.ThrowIfNull(x);
        Check(SigmoidOp, x);
        return Apply(SigmoidOp, Gate.Sigmoid, x, null, null, factor);
    }

    private static Tensor Apply(string op, Gate gate, Tensor x, Tensor? bias, Tensor? rate, float factor)
    {
        using var scope = new TensorScope();
        Tensor y = Tensor.Empty(x.Shape, DType.Float32, x.Device);
        if (x.Device.IsCuda)
        {
            ForwardCuda(gate, x, bias?.Repeat(x.Shape), rate?.Repeat(x.Shape), factor, y);
        }
        else
        {
            ForwardCpu(gate, x, bias?.Repeat(x.Shape), rate?.Repeat(x.Shape), factor, y);
        }

        return scope.Keep(Tape.Record(op, y, [x, bias, rate], [x, bias, rate, rate is null ? null : y], g => Backward(gate, factor, g)));
    }

    private static void Backward(Gate gate, float factor, BackwardContext g)
    {
        Tensor x = g.Saved(XInput);
        Tensor dy = g.Gradient(0)!;
        Tensor? bias = g.SavedOrNull(BiasInput)?.Repeat(x.Shape);
        Tensor? rate = g.SavedOrNull(RateInput)?.Repeat(x.Shape);

        // The gradient of x and the bias's sums come from one tensor, which is float32 whatever x is.
        Tensor inner = Tensor.Empty(x.Shape, DType.Float32, x.Device);
        if (x.Device.IsCuda)
        {
            BackwardCuda(gate, dy, x, bias, rate, factor, inner);
        }
        else
        {
            BackwardCpu(gate, dy, x, bias, rate, factor, inner);
        }

        using (var gradients = new GradientPlaces(g))
        {
            ColumnSums.Into(inner, gradients.Rows(BiasInput, innerDimensions: 1));
            if (g.Needs(RateInput))
            {
                // The logarithm of the rate is in the exponent of a factor: its derivative is the result.
                Tensor outer = Tensor.Empty(x.Shape, DType.Float32, x.Device);
                Elementwise.MultiplyTo(dy, g.Saved(YSaved), outer, accumulate: false);
                ColumnSums.Into(outer, gradients.Rows(RateInput, innerDimensions: 1));
            }
        }

        if (g.Needs(XInput))
        {
            g.Add(XInput, inner);
        }
    }

    private static void Check(string op, Tensor x, params ReadOnlySpan<(string Name, Tensor Tensor)> parameters)
    {
        OpArguments.Floating(op, x);
        foreach ((string name, Tensor parameter) in parameters)
        {
            OpArguments.Float32(op, parameter);
            OpArguments.OneDevice(op, x, parameter);
            if (x.Rank < 1 || parameter.Rank != 1 || parameter.Shape[0] != x.Shape[^1])
            {
                throw new TensorException(op, $"{name} has to be [H] for x [..., H], which is {x.Shape}, and is {parameter.Shape}.", parameter, x);
            }
        }
    }
}
