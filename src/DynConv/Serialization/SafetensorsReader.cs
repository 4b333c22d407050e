using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DynConv.Serialization;

/// <summary>
/// An open safetensors file: its header checked in full, its tensors read when asked for, in blocks, so that a file of
/// any size needs no more memory than the tensors made of it.
/// </summary>
/// <remarks>The format: https://github.com/huggingface/safetensors. Several threads may read at once.</remarks>
public sealed class SafetensorsReader : IDisposable
{
    private const int LengthBytes = 8;
    private const long MaxHeaderBytes = 100_000_000;

    private readonly SafeFileHandle _file;
    private readonly SafetensorsHeader _header;
    private readonly long _dataStart;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DynConvException">The file is missing or unreadable, or its header does not describe it.</exception>
    public SafetensorsReader(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        FilePath = path;
        _file = Open(path);
        try
        {
            byte[] json = ReadHeader();
            _dataStart = LengthBytes + json.Length;
            _header = SafetensorsHeader.Parse(path, json, RandomAccess.GetLength(_file) - _dataStart);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>The file, as it was given.</summary>
    public string FilePath { get; }

    /// <summary>The header's <c>__metadata__</c>; empty if there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>All tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _header.Entries;

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Contains(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Entries.ContainsKey(name);
    }

    /// <summary>Reads a tensor: float32 from F32, F64, F16 and BF16, int32 from whole numbers and truth values.</summary>
    /// <param name="name">One of <see cref="Entries"/>.</param>
    /// <param name="device">Where to; the CPU if not given.</param>
    /// <returns>A new tensor with the shape in the file.</returns>
    /// <exception cref="DynConvException">There is no such tensor, or its elements do not fit.</exception>
    public Tensor Read(string name, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        SafetensorsEntry entry = Find(name);
        DType dtype = entry.Type.TensorType()
            ?? throw Failure(name, $"holds {entry.Type.Name()}, which cannot be read; F32, F64, F16 and BF16 can");
        Tensor tensor = Tensor.Empty(entry.Shape, dtype, device);
        try
        {
            ReadInto(name, tensor);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Reads a tensor into one that is there, such as the rows of a fused parameter: floating point into float32 or
    /// (rounded to nearest) bfloat16, whole numbers into int32.
    /// </summary>
    /// <param name="name">One of <see cref="Entries"/>.</param>
    /// <param name="destination">A tensor or view of the same shape, any strides; overwritten.</param>
    /// <exception cref="DynConvException">There is no such tensor, or it does not fit the destination.</exception>
    public void ReadInto(string name, Tensor destination)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(destination);
        SafetensorsEntry entry = Find(name);
        CheckFits(entry, destination);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(TensorBlocks.MaxElements * entry.Type.SizeInBytes());
        try
        {
            using var scope = new TensorScope();
            long position = _dataStart + entry.Begin;
            TensorBlocks.ForEach(destination.Detach(), block =>
            {
                Span<byte> part = bytes.AsSpan(0, (int)block.Count * entry.Type.SizeInBytes());
                ReadExactly(position, part);
                position += part.Length;
                Store(entry, part, block);
            });
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private static SafeFileHandle Open(string path)
    {
        try
        {
            return File.OpenHandle(path, options: FileOptions.RandomAccess);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DynConvException($"There is no file {path}.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    private byte[] ReadHeader()
    {
        long fileLength = RandomAccess.GetLength(_file);
        if (fileLength < LengthBytes)
        {
            throw new DynConvException($"{FilePath} is not a safetensors file: {fileLength} bytes are too few for a header.");
        }

        Span<byte> prefix = stackalloc byte[LengthBytes];
        ReadExactly(0, prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxHeaderBytes)
        {
            throw new DynConvException(
                $"{FilePath} is not a safetensors file: its header would take {length} bytes, more than the {MaxHeaderBytes} allowed.");
        }

        if ((long)length > fileLength - LengthBytes)
        {
            throw new DynConvException(
                $"{FilePath} is truncated: its header takes {length} bytes, and only {fileLength - LengthBytes} follow.");
        }

        var json = new byte[length];
        ReadExactly(LengthBytes, json);
        return json;
    }

    private void ReadExactly(long position, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = RandomAccess.Read(_file, bytes, position);
            if (count == 0)
            {
                throw new DynConvException($"{FilePath} was cut short while it was read.");
            }

            bytes = bytes[count..];
            position += count;
        }
    }

    private SafetensorsEntry Find(string name) => Entries.TryGetValue(name, out SafetensorsEntry? entry)
        ? entry
        : throw new DynConvException($"{FilePath} has no tensor '{name}'.");

    private void CheckFits(SafetensorsEntry entry, Tensor destination)
    {
        DType? dtype = entry.Type.TensorType();
        bool fits = dtype == destination.DType || (dtype == DType.Float32 && destination.DType == DType.BFloat16);
        if (!fits)
        {
            throw Failure(entry.Name, $"holds {entry.Type.Name()}, which does not fit {destination.DType.Name()}");
        }

        if (entry.Shape != destination.Shape)
        {
            throw Failure(entry.Name, $"has shape {entry.Shape}, but {destination.Shape} is needed");
        }
    }

    private void Store(SafetensorsEntry entry, ReadOnlySpan<byte> bytes, Tensor block)
    {
        SafetensorsType type = entry.Type;
        if (block.DType == DType.BFloat16 && type == SafetensorsType.BF16)
        {
            Put(MemoryMarshal.Cast<byte, BFloat16>(bytes), block);
        }
        else if (block.DType == DType.Int32)
        {
            using var integers = new PooledArray<int>((int)block.Count);
            try
            {
                ElementCodec.ToInt32(type, bytes, integers.Span);
            }
            catch (OverflowException exception)
            {
                throw Failure(entry.Name, $"holds {exception.Message}, which does not fit int32");
            }

            Put<int>(integers.Span, block);
        }
        else if (type == SafetensorsType.F32 && block.DType == DType.Float32)
        {
            Put(MemoryMarshal.Cast<byte, float>(bytes), block);
        }
        else
        {
            using var floats = new PooledArray<float>((int)block.Count);
            ElementCodec.ToFloat(type, bytes, floats.Span);
            PutFloats(floats.Span, block);
        }
    }

    private static void PutFloats(ReadOnlySpan<float> values, Tensor block)
    {
        if (block.DType == DType.Float32)
        {
            Put(values, block);
            return;
        }

        using var rounded = new PooledArray<BFloat16>(values.Length);
        ElementCodec.ToBFloat16(values, rounded.Span);
        Put<BFloat16>(rounded.Span, block);
    }

    private static void Put<T>(ReadOnlySpan<T> values, Tensor block)
        where T : unmanaged
    {
        if (block.IsContiguous)
        {
            block.CopyFrom(values);
            return;
        }

        using Tensor contiguous = Tensor.From(values, block.Shape, block.Device);
        StridedCopy.Copy(contiguous, block);
    }

    private DynConvException Failure(string name, string problem) => new($"{FilePath}: tensor '{name}' {problem}.");
}
