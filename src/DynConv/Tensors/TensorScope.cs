namespace DynConv;

/// <summary>
/// A stretch of code whose tensors are disposed at its end: <c>using var scope = new TensorScope();</c>. Scopes nest
/// and belong to the thread that opened them.
/// </summary>
/// <remarks>
/// What the <see cref="Tape"/> still needs for a backward pass outlives the scope; the tape gives it back. A scope cannot
/// span an <c>await</c>, after which the code may go on in another thread.
/// </remarks>
public sealed class TensorScope : IDisposable
{
    [ThreadStatic]
    private static TensorScope? _current;

    private readonly TensorScope? _outer;
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly List<Tensor> _tensors = [];
    private bool _disposed;

    /// <summary>Opens a scope inside the one that is open now.</summary>
    public TensorScope()
    {
        _outer = Current;
        _current = this;
    }

    internal static TensorScope? Current => Open(_current);

    /// <summary>Hands a tensor to the scope outside this one, or to the caller where there is none.</summary>
    /// <param name="tensor">A tensor made in this scope.</param>
    /// <returns>The same tensor.</returns>
    public Tensor Keep(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.IsOwnedBy(this))
        {
            TensorScope? outer = Open(_outer);
            tensor.SetScope(outer);
            outer?.Register(tensor);
        }

        return tensor;
    }

    /// <summary>Takes a tensor out of all scopes: from now on it is its holder's to dispose.</summary>
    /// <param name="tensor">A tensor made in any scope.</param>
    /// <returns>The same tensor.</returns>
    public static Tensor Release(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ReleaseGuard.Add(tensor);
        tensor.SetScope(null);
        return tensor;
    }

    /// <summary>Disposes what was made in the scope and was neither kept nor released.</summary>
    /// <exception cref="InvalidOperationException">
    /// Another thread opened the scope, or a scope inside it is still open. Its tensors are disposed all the same.
    /// </exception>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        bool elsewhere = _thread != Environment.CurrentManagedThreadId;
        bool early = !elsewhere && !ReferenceEquals(Current, this);
        _disposed = true;
        _current = Current;
        foreach (Tensor tensor in _tensors)
        {
            if (tensor.IsOwnedBy(this))
            {
                tensor.Dispose();
            }
        }

        if (elsewhere)
        {
            throw new InvalidOperationException(
                "A TensorScope was disposed in another thread than it was opened in, and what was made here since then is in no scope: close scopes before an await.");
        }

        if (early)
        {
            throw new InvalidOperationException("A TensorScope was disposed while one inside it is still open: dispose the inner one first.");
        }
    }

    // Scopes that another thread, or somebody too early, has disposed take nothing in any more.
    private static TensorScope? Open(TensorScope? scope)
    {
        while (scope is { _disposed: true })
        {
            scope = scope._outer;
        }

        return scope;
    }

    internal void Register(Tensor tensor) => _tensors.Add(tensor);
}
