namespace DynConv;

/// <summary>
/// A stretch of code that makes something which owns tensors, such as the constructor of a module. What it has released from
/// its scopes is given back at the end unless <see cref="Commit"/> was called: an exception leaves nothing behind.
/// </summary>
public sealed class ReleaseGuard : IDisposable
{
    [ThreadStatic]
    private static ReleaseGuard? _current;

    private readonly ReleaseGuard? _outer = _current;
    private readonly List<Tensor> _released = [];
    private bool _committed;

    /// <summary>Begins the stretch, inside of the one that has begun on this thread if there is one.</summary>
    public ReleaseGuard() => _current = this;

    /// <summary>All is made, and belongs to its owner.</summary>
    public void Commit() => _committed = true;

    /// <summary>Ends the stretch.</summary>
    public void Dispose()
    {
        _current = _outer;
        if (_committed)
        {
            _outer?._released.AddRange(_released);
            return;
        }

        _released.ForEach(tensor => tensor.Dispose());
    }

    internal static void Add(Tensor tensor) => _current?._released.Add(tensor);
}
