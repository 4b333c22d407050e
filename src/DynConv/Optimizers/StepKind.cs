namespace DynConv.Optimizers;

/// <summary>What steps have in common that one recording serves: the losses, their shares and the shapes they are computed from.</summary>
internal sealed class StepKind : IEquatable<StepKind>
{
    private readonly (Delegate Loss, double Share)[] _parts;
    private readonly (Shape Shape, DType Type)[] _inputs;

    /// <param name="parts">Micro-batches made of tensors.</param>
    /// <param name="inputs">The tensors of each.</param>
    public StepKind(MicroBatch[] parts, Tensor[][] inputs)
    {
        _parts = [.. parts.Select(part => ((Delegate)part.LossOf!, part.Share))];
        _inputs = [.. inputs.SelectMany(static tensors => tensors).Select(static tensor => (tensor.Shape, tensor.DType))];
    }

    public bool Equals(StepKind? other) =>
        other is not null && _parts.AsSpan().SequenceEqual(other._parts) && _inputs.AsSpan().SequenceEqual(other._inputs);

    public override bool Equals(object? obj) => Equals(obj as StepKind);

    public override int GetHashCode() => HashCode.Combine(_parts.Length, _inputs.Length);
}
