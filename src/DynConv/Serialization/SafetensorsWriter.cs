using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace DynConv.Serialization;

/// <summary>
/// Writes safetensors files. The same tensors and metadata give the same bytes, in whatever order they come; a file is
/// complete or absent; and beside the tensors there is no more than a small buffer in memory.
/// </summary>
public static class SafetensorsWriter
{
    private const int Alignment = 8;

    /// <summary>Writes or replaces a file.</summary>
    /// <param name="path">The file; its folder exists.</param>
    /// <param name="tensors">
    /// By name; any shape and strides, on any device. Larger element types come first in the file, and those of one size
    /// in the order of their names.
    /// </param>
    /// <param name="metadata">Goes to <c>__metadata__</c>. Loaders of models expect <c>format</c>: <c>pt</c>.</param>
    /// <param name="floatType">
    /// <see cref="DType.Float32"/> or <see cref="DType.BFloat16"/>: what floating-point tensors are stored as, rounded
    /// to nearest where that is less; each tensor's own dtype if not given. int32 stays I32.
    /// </param>
    /// <exception cref="DynConvException">
    /// Two tensors have one name, or the file cannot be written: the disk is full, for example.
    /// </exception>
    public static void Write(
        string path,
        IEnumerable<KeyValuePair<string, Tensor>> tensors,
        IEnumerable<KeyValuePair<string, string>>? metadata = null,
        DType? floatType = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(tensors);
        if (floatType == DType.Int32)
        {
            throw new DynConvException("Floating-point tensors are stored as float32 or bfloat16, not as int32.");
        }

        Item[] items = [.. tensors
            .Select(pair => new Item(pair.Key, pair.Value, StoredType(pair.Value, floatType)))
            .OrderByDescending(item => item.Type.SizeInBytes())
            .ThenBy(item => item.Name, StringComparer.Ordinal)];
        CheckNames(path, items);
        ReadOnlyMemory<byte> header = Header(items, metadata ?? []);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header.Span);
            foreach (Item item in items)
            {
                WriteData(stream, item);
            }
        });
    }

    private static SafetensorsType StoredType(Tensor tensor, DType? floatType) =>
        SafetensorsTypeExtensions.Of(tensor.DType == DType.Int32 ? DType.Int32 : floatType ?? tensor.DType);

    private static void CheckNames(string path, Item[] items)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { SafetensorsHeader.MetadataKey };
        foreach (Item item in items)
        {
            if (!names.Add(item.Name))
            {
                throw new DynConvException(item.Name == SafetensorsHeader.MetadataKey
                    ? $"{path}: a tensor cannot be called '{item.Name}'."
                    : $"{path}: two tensors are called '{item.Name}'.");
            }
        }
    }

    private static ReadOnlyMemory<byte> Header(Item[] items, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        buffer.Write(stackalloc byte[sizeof(ulong)]);
        using (var json = new Utf8JsonWriter(buffer, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            long begin = 0;
            foreach (Item item in items)
            {
                begin = WriteEntry(json, item, begin);
            }

            json.WriteEndObject();
        }

        int padding = (Alignment - (buffer.WrittenCount % Alignment)) % Alignment;
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        var header = MemoryMarshal.AsMemory(buffer.WrittenMemory);
        BinaryPrimitives.WriteUInt64LittleEndian(header.Span, (ulong)(header.Length - sizeof(ulong)));
        return header;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        KeyValuePair<string, string>[] pairs = [.. metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal)];
        if (pairs.Length == 0)
        {
            return;
        }

        json.WriteStartObject(SafetensorsHeader.MetadataKey);
        foreach ((string key, string value) in pairs)
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static long WriteEntry(Utf8JsonWriter json, Item item, long begin)
    {
        long end = checked(begin + (item.Tensor.Count * item.Type.SizeInBytes()));
        json.WriteStartObject(item.Name);
        json.WriteString("dtype", item.Type.Name());
        WriteNumbers(json, "shape", item.Tensor.Shape.Dimensions);
        WriteNumbers(json, "data_offsets", [begin, end]);
        json.WriteEndObject();
        return end;
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (long number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }

    private static void WriteData(Stream stream, Item item)
    {
        using var scope = new TensorScope();
        TensorBlocks.ForEach(item.Tensor.Detach(), block =>
        {
            switch (block.DType)
            {
                case DType.Float32:
                    WriteBlock<float>(stream, block, item.Type);
                    break;
                case DType.BFloat16:
                    WriteBlock<BFloat16>(stream, block, item.Type);
                    break;
                default:
                    WriteBlock<int>(stream, block, item.Type);
                    break;
            }
        });
    }

    private static void WriteBlock<T>(Stream stream, Tensor block, SafetensorsType type)
        where T : unmanaged
    {
        using var values = new PooledArray<T>((int)block.Count);
        block.CopyTo(values.Span);
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values.Span);
        if (typeof(T) == typeof(float) && type == SafetensorsType.BF16)
        {
            using var rounded = new PooledArray<BFloat16>(values.Span.Length);
            ElementCodec.ToBFloat16(MemoryMarshal.Cast<T, float>(values.Span), rounded.Span);
            stream.Write(MemoryMarshal.AsBytes(rounded.Span));
        }
        else if (typeof(T) == typeof(BFloat16) && type == SafetensorsType.F32)
        {
            using var widened = new PooledArray<float>(values.Span.Length);
            ElementCodec.ToFloat(SafetensorsType.BF16, bytes, widened.Span);
            stream.Write(MemoryMarshal.AsBytes(widened.Span));
        }
        else
        {
            stream.Write(bytes);
        }
    }

    private readonly record struct Item(string Name, Tensor Tensor, SafetensorsType Type);
}
