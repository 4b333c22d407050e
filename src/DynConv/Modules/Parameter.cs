namespace DynConv.Modules;

/// <summary>How the optimizer treats a parameter.</summary>
public enum ParameterKind
{
    /// <summary>A matrix of a linear layer between hidden layers: with weight decay.</summary>
    Matrix,

    /// <summary>A row for each token of a vocabulary, of an embedding or an output layer: with weight decay, as a matrix.</summary>
    Embedding,

    /// <summary>A scale of a norm: without weight decay.</summary>
    Norm,

    /// <summary>A number that is added to an output of a linear layer: without weight decay.</summary>
    Bias,

    /// <summary>Rates, step sizes and the like of a recurrence, one a head: without weight decay.</summary>
    Recurrence,

    /// <summary>Part of a short convolution, its generator included: a group of its own, without weight decay.</summary>
    Convolution,
}

/// <summary>A tensor that training changes.</summary>
/// <remarks>
/// Several parameters may be slices of one tensor, so that one matrix product serves them all; each still has its own
/// name, gradient and optimizer state.
/// </remarks>
public sealed class Parameter : IDisposable
{
    /// <summary>Takes over a tensor and asks for its gradient.</summary>
    /// <param name="tensor">Becomes the parameter's; a slice of a tensor that requires a gradient stays a slice.</param>
    /// <param name="kind">How the optimizer treats it.</param>
    public Parameter(Tensor tensor, ParameterKind kind)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Tensor = TensorScope.Release(tensor).RequireGradient();
        Kind = kind;
    }

    /// <summary>The values.</summary>
    public Tensor Tensor { get; }

    /// <summary>How the optimizer treats it.</summary>
    public ParameterKind Kind { get; }

    /// <summary>Dimensions.</summary>
    public Shape Shape => Tensor.Shape;

    /// <summary>The gradient since <see cref="Tensor.ClearGradient"/>; null if none has come.</summary>
    public Tensor? Gradient => Tensor.Gradient;

    /// <summary>The values, for an op's argument.</summary>
    /// <param name="parameter">A parameter.</param>
    public static implicit operator Tensor(Parameter parameter) => parameter.Tensor;

    /// <summary>Gives the values back, and with the last slice of a tensor the gradient.</summary>
    public void Dispose() => Tensor.Dispose();
}
