namespace DynConv.Modules;

/// <summary>A float32 weight in whatever type its input has: the copy is made when it is first needed, and kept up to date.</summary>
/// <param name="weight">Stays its holder's.</param>
internal sealed class CastWeight(Tensor weight) : IDisposable
{
    private ComputeWeight? _copy;

    /// <summary>The weight for an op's argument.</summary>
    /// <param name="type">What the op computes in.</param>
    public Tensor As(DType type) =>
        type == DType.BFloat16 && weight.Device.IsCuda ? (_copy ??= new ComputeWeight(weight, type)).Current() : weight;

    public void Dispose() => _copy?.Dispose();
}
