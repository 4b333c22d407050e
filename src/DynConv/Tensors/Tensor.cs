using System.Runtime.InteropServices;

namespace DynConv;

/// <summary>
/// An n-dimensional array of numbers on a device: a view (offset, shape and strides) of a pooled buffer.
/// </summary>
/// <remarks>
/// A tensor belongs to the <see cref="TensorScope"/> that is open when it is made and is disposed with it; made outside
/// any scope, or handed out with <see cref="TensorScope.Keep"/>, it is its owner's to dispose. Views share the buffer,
/// and the last one disposed gives it back. Elements are reached through <see cref="CopyTo{T}"/> and
/// <see cref="ToArray{T}"/>, never by address, so that code works the same on every device.
/// </remarks>
public sealed partial class Tensor : IDisposable
{
    private readonly long[] _strides;
    private readonly long _offset;
    private Storage? _storage;
    private TensorScope? _scope;

    private Tensor(Storage storage, DType dtype, Shape shape, long[] strides, long offset)
    {
        _storage = storage;
        _strides = strides;
        _offset = offset;
        DType = dtype;
        Shape = shape;
        _scope = TensorScope.Current;
        _scope?.Register(this);
    }

    /// <summary>Dimensions, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>Element type.</summary>
    public DType DType { get; }

    /// <summary>Where the elements live.</summary>
    public Device Device => Storage.Device;

    /// <summary>For each dimension, how many elements lie between neighbours; 0 where one element stands for all.</summary>
    public ReadOnlySpan<long> Strides => _strides;

    /// <summary>Number of dimensions.</summary>
    public int Rank => Shape.Rank;

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Count;

    /// <summary>Whether the elements lie one after the other, the last index fastest.</summary>
    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (int i = Rank - 1; i >= 0; i--)
            {
                long dimension = Shape[i];
                if (dimension != 1 && _strides[i] != expected)
                {
                    return Count == 0;
                }

                expected *= dimension;
            }

            return true;
        }
    }

    /// <summary>Whether the tensor has been disposed.</summary>
    public bool IsDisposed => _storage is null;

    internal Storage Storage => _storage ?? throw new ObjectDisposedException(nameof(Tensor));

    /// <summary>A tensor whose elements have no defined value yet.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    public static Tensor Empty(Shape shape, DType dtype = DType.Float32, Device? device = null)
    {
        long bytes = checked(Math.Max(1, shape.Count) * dtype.SizeInBytes());
        return new Tensor(new Storage(device ?? Device.Cpu, bytes), dtype, shape, shape.ContiguousStrides(), 0);
    }

    /// <summary>A tensor of zeros.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    public static Tensor Zeros(Shape shape, DType dtype = DType.Float32, Device? device = null)
    {
        Tensor tensor = Empty(shape, dtype, device);
        tensor.Clear();
        return tensor;
    }

    /// <summary>A tensor of ones.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    public static Tensor Ones(Shape shape, DType dtype = DType.Float32, Device? device = null) =>
        Full(shape, 1, dtype, device);

    /// <summary>A tensor with one value throughout.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="value">The value; a whole number where the type is.</param>
    /// <param name="dtype">Element type.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    public static Tensor Full(Shape shape, float value, DType dtype = DType.Float32, Device? device = null)
    {
        CheckHolds(dtype, value);
        Tensor tensor = Empty(shape, dtype, device);
        tensor.Fill(value);
        return tensor;
    }

    /// <summary>A copy of <paramref name="values"/> on a device.</summary>
    /// <typeparam name="T"><see cref="float"/>, <see cref="BFloat16"/> or <see cref="int"/>.</typeparam>
    /// <param name="values">As many as the shape has elements, the last index fastest.</param>
    /// <param name="shape">Dimensions.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    public static Tensor From<T>(ReadOnlySpan<T> values, Shape shape, Device? device = null)
        where T : unmanaged
    {
        DType dtype = DTypeExtensions.Of<T>();
        if (values.Length != shape.Count)
        {
            throw new TensorException("from", $"{values.Length} values do not fill a tensor of shape {shape}.");
        }

        Tensor tensor = Empty(shape, dtype, device);
        tensor.CopyFrom(values);
        return tensor;
    }

    /// <inheritdoc cref="From{T}(ReadOnlySpan{T}, Shape, Device?)"/>
    public static Tensor From<T>(T[] values, Shape shape, Device? device = null)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(values);
        return From((ReadOnlySpan<T>)values, shape, device);
    }

    /// <summary>Overwrites all elements; the tensor has to be contiguous.</summary>
    /// <typeparam name="T">The element type's C# counterpart.</typeparam>
    /// <param name="values">As many as the tensor has elements.</param>
    public void CopyFrom<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        CheckElementType<T>();
        if (values.Length != Count)
        {
            throw new TensorException("copy", $"{values.Length} values do not fill a tensor of shape {Shape}.", this);
        }

        if (!IsContiguous)
        {
            throw new TensorException("copy", $"a tensor with strides [{string.Join(", ", _strides)}] is not contiguous.", this);
        }

        Storage.MarkChanged();
        if (Device.IsCuda)
        {
            Upload(values);
        }
        else
        {
            values.CopyTo(HostSpan<T>());
        }
    }

    /// <summary>
    /// Overwrites all elements with another tensor's, of the same shape; any strides and devices. float32 and bfloat16
    /// become one another.
    /// </summary>
    /// <param name="source">Where the values come from. No gradient flows through this.</param>
    public void CopyFrom(Tensor source)
    {
        ArgumentNullException.ThrowIfNull(source);
        using var scope = new TensorScope();
        if (Overlap.Within(this))
        {
            throw new TensorException("copy", $"strides [{string.Join(", ", _strides)}] make one element stand for several, which cannot hold different values.", this);
        }

        // Elements that are read after they were written would be the new ones.
        Tensor here = !ReferenceEquals(source.Device, Device) ? source.To(Device)
            : Overlap.Between(source, this) ? source.Detach().Clone()
            : source;
        StridedCopy.Copy(here, this);
        Storage.MarkChanged();
    }

    /// <summary>The same values on a device; this tensor itself if it is there already. No gradient flows through this.</summary>
    /// <param name="device">Where to.</param>
    public Tensor To(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (ReferenceEquals(device, Device))
        {
            return this;
        }

        Tensor copy = Empty(Shape, DType, device);
        using var scope = new TensorScope();
        Tensor values = Contiguous();
        if (values.Device.IsCuda && device.IsCuda)
        {
            values = values.To(Device.Cpu);
        }

        values.Transfer(copy);
        return copy;
    }

    /// <summary>The same values in another floating-point type; this tensor itself if it has it. No gradient flows through this.</summary>
    /// <param name="dtype">float32 or bfloat16.</param>
    public Tensor To(DType dtype)
    {
        if (dtype == DType)
        {
            return this;
        }

        Tensor copy = Empty(Shape, dtype, Device);
        StridedCopy.Copy(this, copy);
        return copy;
    }

    /// <summary>Copies all elements out, the last index fastest, whatever the strides.</summary>
    /// <typeparam name="T">The element type's C# counterpart.</typeparam>
    /// <param name="destination">At least as many as the tensor has elements.</param>
    public void CopyTo<T>(Span<T> destination)
        where T : unmanaged
    {
        CheckElementType<T>();
        if (destination.Length < Count)
        {
            throw new TensorException("copy", $"a tensor of shape {Shape} does not fit into {destination.Length} values.", this);
        }

        using var scope = new TensorScope();
        Tensor values = Contiguous();
        if (Device.IsCuda)
        {
            values.Download(destination);
        }
        else
        {
            values.HostSpan<T>().CopyTo(destination);
        }
    }

    /// <summary>All elements, the last index fastest, whatever the strides.</summary>
    /// <typeparam name="T">The element type's C# counterpart.</typeparam>
    public T[] ToArray<T>()
        where T : unmanaged
    {
        var values = new T[Count];
        CopyTo<T>(values);
        return values;
    }

    /// <summary>The only element of a tensor that has just one.</summary>
    public float Item() => Count == 1
        ? ToArray<float>()[0]
        : throw new TensorException("item", $"a tensor of shape {Shape} does not have just one element.", this);

    /// <summary>The only element of a float32 tensor that has just one, without waiting for the device now.</summary>
    public PendingValue ReadLater() => Count == 1 && DType == DType.Float32
        ? new PendingValue(this)
        : throw new TensorException("read", $"{DType.Name()} {Shape} is not a single float32.", this);

    /// <summary>Sets all elements to one value, whatever the strides.</summary>
    /// <param name="value">The value; a whole number where the type is.</param>
    /// <exception cref="ArgumentException">The tensor holds whole numbers, and the value is none.</exception>
    public void Fill(float value)
    {
        CheckHolds(DType, value);
        using var scope = new TensorScope();
        Tensor one = DType == DType.Int32 ? From([(int)value], [], Device) : From([value], [], Device);
        CopyFrom(one.Repeat(Shape));
    }

    /// <summary>Sets all elements to zero.</summary>
    public void Clear()
    {
        StridedCopy.Clear(this);
        Storage.MarkChanged();
    }

    /// <summary>Gives the view up, and with the last view the buffer and the gradient. Doing so again has no effect.</summary>
    public void Dispose()
    {
        if (_storage is not null)
        {
            _storage.Release();
            _slot?.LetGo(this);
        }

        _storage = null;
        _scope = null;
    }

    /// <summary>Another handle on the same elements, outside any scope and without a gradient.</summary>
    internal Tensor Alias()
    {
        Tensor alias = View(Shape, _strides, _offset);
        TensorScope.Release(alias);
        return alias;
    }

    internal bool IsOwnedBy(TensorScope scope) => ReferenceEquals(_scope, scope);

    internal void SetScope(TensorScope? scope) => _scope = scope;

    internal unsafe float* Float() => DType == DType.Float32
        ? (float*)Storage.HostPointer + _offset
        : throw new TensorException("tensor", $"float32 is needed here, not {DType.Name()}.", this);

    internal unsafe int* Int() => DType == DType.Int32
        ? (int*)Storage.HostPointer + _offset
        : throw new TensorException("tensor", $"int32 is needed here, not {DType.Name()}.", this);

    internal unsafe byte* Bytes() => (byte*)Storage.HostPointer + (_offset * DType.SizeInBytes());

    /// <summary>The address of the first element, on whatever device.</summary>
    internal nint Address => Storage.Pointer + (nint)(_offset * DType.SizeInBytes());

    private unsafe void Upload<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        fixed (T* from = values)
        {
            Device.Context.Upload(from, Address, Count * sizeof(T));
        }
    }

    private unsafe void Download<T>(Span<T> values)
        where T : unmanaged
    {
        fixed (T* to = values)
        {
            Device.Context.Download(Address, to, Count * sizeof(T));
        }
    }

    /// <summary>Copies contiguous elements between the host and a card.</summary>
    private unsafe void Transfer(Tensor destination)
    {
        long bytes = Count * DType.SizeInBytes();
        if (destination.Device.IsCuda)
        {
            destination.Device.Context.Upload((void*)Address, destination.Address, bytes);
        }
        else
        {
            Device.Context.Download(Address, (void*)destination.Address, bytes);
        }
    }

    private unsafe Span<T> HostSpan<T>()
        where T : unmanaged => MemoryMarshal.CreateSpan(ref *(T*)Bytes(), checked((int)Count));

    private static void CheckHolds(DType dtype, float value)
    {
        if (dtype == DType.Int32 && value != (int)value)
        {
            throw new ArgumentException($"A tensor of int32 does not hold {value}.", nameof(value));
        }
    }

    private Tensor View(Shape shape, long[] strides, long offset) => new(Storage.Retain(), DType, shape, strides, offset);

    private void CheckElementType<T>()
        where T : unmanaged
    {
        if (DTypeExtensions.Of<T>() != DType)
        {
            throw new TensorException("copy", $"a tensor of {DType.Name()} does not hold {typeof(T).Name}.", this);
        }
    }
}
