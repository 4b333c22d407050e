using DynConv.Ops;

namespace DynConv.Modules;

/// <summary>A linear layer, <c>y = x Wᵀ + b</c>: <see cref="MatMul.Linear"/> and <see cref="Bias"/>.</summary>
public sealed class Linear : Module
{
    private readonly CastWeight _weight;

    /// <summary>Makes the layer; weight and bias start uniform in ±1/√inputs, as in PyTorch.</summary>
    /// <param name="inputs">Channels of x.</param>
    /// <param name="outputs">Channels of y.</param>
    /// <param name="random">Where the initial values come from.</param>
    /// <param name="bias">Whether a learned number is added to each output.</param>
    /// <param name="device">Where the parameters live; the CPU if not given.</param>
    /// <param name="kind">
    /// How optimizers treat the weight: <see cref="ParameterKind.Embedding"/> for an output layer over a vocabulary.
    /// </param>
    public Linear(
        int inputs,
        int outputs,
        RandomSource random,
        bool bias = true,
        Device? device = null,
        ParameterKind kind = ParameterKind.Matrix)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        ArgumentNullException.ThrowIfNull(random);
        double bound = 1 / Math.Sqrt(inputs);
        Weight = Add("weight", new Parameter(random.Fork("weight").Uniform([outputs, inputs], bound, device), kind));
        Bias = bias
            ? Add("bias", new Parameter(random.Fork("bias").Uniform([outputs], bound, device), ParameterKind.Bias))
            : null;
        _weight = new CastWeight(Weight);
    }

    /// <summary>W, <c>[outputs, inputs]</c>; <c>weight</c>.</summary>
    public Parameter Weight { get; }

    /// <summary>b, <c>[outputs]</c>; <c>bias</c>. Null where there is none.</summary>
    public Parameter? Bias { get; }

    /// <summary>Applies the layer.</summary>
    /// <param name="x"><c>[..., inputs]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <returns><c>[..., outputs]</c>, of the type of <paramref name="x"/>.</returns>
    /// <exception cref="TensorException">The shape or dtype does not fit.</exception>
    public Tensor Forward(Tensor x)
    {
        ArgumentNullException.ThrowIfNull(x);
        using var scope = new TensorScope();
        Tensor product = MatMul.Linear(x, _weight.As(x.DType));
        return scope.Keep(Bias is null ? product : Ops.Bias.Add(product, Bias));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _weight.Dispose();
    }
}
