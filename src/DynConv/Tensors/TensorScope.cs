namespace DynConv;

/// <summary>
/// A stretch of code whose tensors are disposed at its end: <c>using var scope = new TensorScope();</c>. Scopes nest
/// and belong to the thread that opened them.
/// </summary>
/// <remarks>What the <see cref="Tape"/> still needs for a backward pass outlives the scope; the tape gives it back.</remarks>
public sealed class TensorScope : IDisposable
{
    [ThreadStatic]
    private static TensorScope? _current;

    private readonly TensorScope? _outer;
    private readonly List<Tensor> _tensors = [];
    private bool _disposed;

    /// <summary>Opens a scope inside the one that is open now.</summary>
    public TensorScope()
    {
        _outer = _current;
        _current = this;
    }

    internal static TensorScope? Current => _current;

    /// <summary>Hands a tensor to the scope outside this one, or to the caller where there is none.</summary>
    /// <param name="tensor">A tensor made in this scope.</param>
    /// <returns>The same tensor.</returns>
    public Tensor Keep(Tensor tensor)
    {
        if (tensor.IsOwnedBy(this))
        {
            tensor.SetScope(_outer);
            _outer?.Register(tensor);
        }

        return tensor;
    }

    /// <summary>Takes a tensor out of all scopes: from now on it is its holder's to dispose.</summary>
    /// <param name="tensor">A tensor made in any scope.</param>
    /// <returns>The same tensor.</returns>
    public static Tensor Release(Tensor tensor)
    {
        ReleaseGuard.Add(tensor);
        tensor.SetScope(null);
        return tensor;
    }

    /// <summary>Disposes what was made in the scope and was neither kept nor released.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _current = _outer;
        foreach (Tensor tensor in _tensors)
        {
            if (tensor.IsOwnedBy(this))
            {
                tensor.Dispose();
            }
        }
    }

    internal void Register(Tensor tensor) => _tensors.Add(tensor);
}
