namespace DynConv.Modules;

/// <summary>
/// A float32 weight in the type that a model computes in: the weight itself, or a bfloat16 copy of it that is brought up
/// to date when the weight has changed. Gradients go to the float32 weight either way.
/// </summary>
public sealed class ComputeWeight : IDisposable
{
    private readonly Tensor _weight;
    private readonly Counterpart? _counterpart;

    /// <summary>Makes room for the copy, if one is needed.</summary>
    /// <param name="weight">Stays its holder's.</param>
    /// <param name="type">What ops compute in: float32, or bfloat16 on CUDA.</param>
    public ComputeWeight(Tensor weight, DType type)
    {
        ArgumentNullException.ThrowIfNull(weight);
        _weight = weight;
        _counterpart = type == weight.DType ? null : new Counterpart(weight, type);
    }

    /// <summary>The weight for an op's argument. Good until the weight changes.</summary>
    public Tensor Current()
    {
        if (_counterpart is null)
        {
            return _weight;
        }

        _counterpart.Refresh();
        return _weight.RepresentedBy(_counterpart.Copy);
    }

    /// <summary>Gives the copy back.</summary>
    public void Dispose() => _counterpart?.Dispose();
}
