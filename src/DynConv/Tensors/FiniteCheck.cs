namespace DynConv;

/// <summary>
/// Looks at the results and gradients of every op and throws <see cref="NonFiniteException"/> at the first infinity or
/// NaN: <c>using (FiniteCheck.Start()) { … }</c>. Slow, and on CUDA it waits for
/// the card after each op; meant for finding out where a loss went wrong.
/// </summary>
public static class FiniteCheck
{
    [ThreadStatic]
    private static bool _enabled;

    [ThreadStatic]
    private static string? _place;

    /// <summary>Checks the calling thread's ops until the result is disposed.</summary>
    public static IDisposable Start() => new Guard();

    /// <summary>Names the part of a model that runs next, for messages, until the result is disposed.</summary>
    /// <param name="place">As in <c>model.layers.3.mlp</c>.</param>
    public static PlaceGuard Enter(string place)
    {
        ArgumentNullException.ThrowIfNull(place);
        var guard = new PlaceGuard(_place);
        _place = place;
        return guard;
    }

    /// <summary>Whether the calling thread's ops are checked.</summary>
    internal static bool IsOn => _enabled;

    internal static string Place => _place ?? "";

    internal static void Values(string op, ReadOnlySpan<Tensor> outputs)
    {
        if (!_enabled)
        {
            return;
        }

        foreach (Tensor output in outputs)
        {
            if (output.DType != DType.Int32 && !StridedCopy.IsFinite(output))
            {
                throw new NonFiniteException(op, Place, gradient: false);
            }
        }
    }

    internal static void Gradients(TapeNode node, ReadOnlySpan<Tensor?> inputs)
    {
        if (!_enabled)
        {
            return;
        }

        foreach (Tensor? input in inputs)
        {
            if (input?.Slot?.Whole() is { } gradient && !StridedCopy.IsFinite(gradient))
            {
                throw new NonFiniteException(node.Op, node.Place, gradient: true);
            }
        }
    }

    /// <summary>Restores the place that was named before.</summary>
    public readonly struct PlaceGuard : IDisposable
    {
        private readonly string? _outer;

        internal PlaceGuard(string? outer) => _outer = outer;

        /// <inheritdoc/>
        public void Dispose() => _place = _outer;
    }

    private sealed class Guard : IDisposable
    {
        private readonly bool _outer = _enabled;

        public Guard() => _enabled = true;

        public void Dispose() => _enabled = _outer;
    }
}
