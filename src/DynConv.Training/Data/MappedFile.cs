using System.IO.MemoryMappedFiles;

namespace DynConv.Training.Data;

/// <summary>A file as memory: the system reads what is touched and gives back what is not.</summary>
internal sealed unsafe class MappedFile<T> : IDisposable
    where T : unmanaged
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly T* _elements;

    public MappedFile(string path, long count)
    {
        _file = MemoryMappedFile.CreateFromFile(
            new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete),
            mapName: null,
            capacity: 0,
            MemoryMappedFileAccess.Read,
            HandleInheritability.None,
            leaveOpen: false);
        _view = _file.CreateViewAccessor(0, count * sizeof(T), MemoryMappedFileAccess.Read);
        byte* pointer = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        _elements = (T*)(pointer + _view.PointerOffset);
        Count = count;
    }

    public long Count { get; }

    public T this[long index] => Slice(index, 1)[0];

    public ReadOnlySpan<T> Slice(long start, int length)
    {
        ObjectDisposedException.ThrowIf(!_view.CanRead, this);
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Count - length);
        return new ReadOnlySpan<T>(_elements + start, length);
    }

    public void Dispose()
    {
        if (_view.CanRead)
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }
    }
}
