using DynConv.Ops;

namespace DynConv.Modules;

/// <summary>Root mean square normalisation with a learned scale: <see cref="RmsNormalization"/>.</summary>
public sealed class RmsNorm : Module
{
    /// <summary>Makes the norm with a scale of ones.</summary>
    /// <param name="size">D, channels.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="device">Where the parameter lives; the CPU if not given.</param>
    public RmsNorm(int size, double epsilon = 1e-5, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(epsilon);
        Epsilon = epsilon;
        Weight = Add("weight", new Parameter(Tensor.Ones([size], device: device), ParameterKind.Norm));
    }

    /// <summary>The scale, <c>[D]</c>; <c>weight</c>.</summary>
    public Parameter Weight { get; }

    /// <summary>Added to the mean square.</summary>
    public double Epsilon { get; }

    /// <summary>Normalises.</summary>
    /// <param name="x"><c>[..., D]</c>, float32, or bfloat16 on CUDA.</param>
    /// <returns>The shape of <paramref name="x"/>.</returns>
    /// <exception cref="TensorException">The shape or dtype does not fit.</exception>
    public Tensor Forward(Tensor x) => RmsNormalization.Apply(x, Weight, (float)Epsilon);
}
