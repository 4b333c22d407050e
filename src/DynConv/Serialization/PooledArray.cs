using System.Buffers;

namespace DynConv.Serialization;

/// <summary>A host buffer from the shared pool, given back at the end of a <c>using</c>.</summary>
internal readonly ref struct PooledArray<T>(int length) : IDisposable
{
    private readonly T[] _array = ArrayPool<T>.Shared.Rent(length);

    public Span<T> Span => _array.AsSpan(0, length);

    public void Dispose() => ArrayPool<T>.Shared.Return(_array);
}
