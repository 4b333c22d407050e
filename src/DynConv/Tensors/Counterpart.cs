namespace DynConv;

/// <summary>
/// A copy of a tensor's values in another type, kept beside it. Whoever changes the tensor may change the copy along with it, and
/// finds it by the buffer (<see cref="Storage.Counterpart"/>).
/// </summary>
internal sealed class Counterpart : IDisposable
{
    private readonly Tensor _original;
    private readonly Storage _storage;
    private readonly nint _start;
    private long? _version;

    /// <param name="original">float32; stays its holder's.</param>
    /// <param name="type">The copy's.</param>
    public Counterpart(Tensor original, DType type)
    {
        _original = original;
        _storage = original.Storage;
        _start = original.Address;
        Copy = TensorScope.Release(Tensor.Empty(original.Shape, type, original.Device));
        if (original.IsContiguous)
        {
            _storage.Counterpart ??= this;
        }
    }

    /// <summary>The copy.</summary>
    public Tensor Copy { get; }

    /// <summary>Whether the copy has the values that the tensor has now.</summary>
    public bool IsCurrent => _version == _storage.Version;

    /// <summary>Brings the copy up to date; where work is recorded, before each of its runs.</summary>
    public void Refresh()
    {
        if (Copy.Device.Recording is { } recording)
        {
            recording.Add(this);
        }
        else if (!IsCurrent)
        {
            StridedCopy.Copy(_original, Copy);
            MarkCurrent();
        }
    }

    /// <summary>Says that the copy has been changed as the tensor has.</summary>
    public void MarkCurrent() => _version = Copy.Device.IsPreparing ? null : _storage.Version;

    /// <summary>Where the copy's elements of a view of the tensor begin; 0 if the view reaches beyond the tensor, or has gaps.</summary>
    public nint AddressOf(Tensor view)
    {
        nint first = (view.Address - _start) / view.DType.SizeInBytes();
        return first >= 0 && first + view.Count <= Copy.Count && view.IsContiguous && view.DType == DType.Float32
            ? Copy.Address + (first * Copy.DType.SizeInBytes())
            : 0;
    }

    /// <summary>Gives the copy back.</summary>
    public void Dispose()
    {
        if (ReferenceEquals(_storage.Counterpart, this))
        {
            _storage.Counterpart = null;
        }

        Copy.Dispose();
    }
}
