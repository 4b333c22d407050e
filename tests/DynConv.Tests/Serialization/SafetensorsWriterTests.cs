using System.Buffers.Binary;
using DynConv.Serialization;

namespace DynConv.Tests.Serialization;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TensorScope _scope = new();

    private string FilePath => _folder["x.safetensors"];

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void What_is_written_is_read_back_bit_for_bit()
    {
        float[] odd = [float.NaN, -0f, float.Epsilon, float.MaxValue, 1f / 3];
        Tensor big = Tensor.From([.. Enumerable.Range(0, 200_000).Select(i => MathF.Sin(i))], [2, 100_000]);
        SafetensorsWriter.Write(
            FilePath,
            [
                new("odd", Tensor.From(odd, [5])),
                new("ids", Tensor.From([1, -7], [2])),
                new("half", Tensor.From([(BFloat16)1.5f], [1])),
                new("big.transposed", big.Transpose(0, 1)),
                new("none", Tensor.Zeros([0, 3])),
                new("scalar", Tensor.From([8f], [])),
            ],
            [new("ключ", "значение \"1\"")]);
        using var reader = new SafetensorsReader(FilePath);
        Assert.Equal("значение \"1\"", reader.Metadata["ключ"]);
        Assert.Equal(
            odd.Select(BitConverter.SingleToUInt32Bits), reader.Read("odd").ToArray<float>().Select(BitConverter.SingleToUInt32Bits));
        Assert.Equal([1, -7], reader.Read("ids").ToArray<int>());
        Assert.Equal(SafetensorsType.BF16, reader.Entries["half"].Type);
        Assert.Equal(1.5f, reader.Read("half").Item());
        Assert.Equal(big.Transpose(0, 1).ToArray<float>(), reader.Read("big.transposed").ToArray<float>());
        Assert.Equal([0L, 3L], reader.Read("none").Shape);
        Assert.Equal(8f, reader.Read("scalar").Item());
    }

    [Fact]
    public void The_same_content_in_any_order_gives_the_same_bytes_aligned_to_eight()
    {
        KeyValuePair<string, Tensor>[] tensors =
            [new("b", Tensor.From([1f], [1])), new("c", Tensor.From([(BFloat16)3f], [1])), new("a", Tensor.From([2f], [1]))];
        KeyValuePair<string, string>[] metadata = [new("y", "2"), new("x", "1")];
        SafetensorsWriter.Write(FilePath, tensors, metadata);
        byte[] first = File.ReadAllBytes(FilePath);
        SafetensorsWriter.Write(FilePath, tensors.Reverse(), metadata.Reverse());
        Assert.Equal(first, File.ReadAllBytes(FilePath));
        Assert.Equal(0UL, BinaryPrimitives.ReadUInt64LittleEndian(first) % 8);
        using var reader = new SafetensorsReader(FilePath);
        Assert.Equal([0, 4, 8], new[] { "a", "b", "c" }.Select(name => reader.Entries[name].Begin));
    }

    [Fact]
    public void Floats_are_stored_as_bfloat16_on_request_and_back()
    {
        Tensor values = Tensor.From([1.00390625f, -3f, 1e38f], [3]);
        SafetensorsWriter.Write(FilePath, [new("w", values), new("n", Tensor.From([70_000], [1]))], floatType: DType.BFloat16);
        using (var reader = new SafetensorsReader(FilePath))
        {
            Assert.Equal(SafetensorsType.BF16, reader.Entries["w"].Type);
            Assert.Equal(values.ToArray<float>().Select(v => (float)(BFloat16)v), reader.Read("w").ToArray<float>());
            Assert.Equal([70_000], reader.Read("n").ToArray<int>());
        }

        SafetensorsWriter.Write(FilePath, [new("w", Tensor.From([(BFloat16)2.5f], [1]))], floatType: DType.Float32);
        using var widened = new SafetensorsReader(FilePath);
        Assert.Equal(SafetensorsType.F32, widened.Entries["w"].Type);
        Assert.Equal(2.5f, widened.Read("w").Item());
    }

    [Fact]
    public void Tensors_of_one_name_are_refused_and_the_old_file_stays()
    {
        SafetensorsWriter.Write(FilePath, [new("a", Tensor.From([5f], [1]))]);
        Tensor other = Tensor.Zeros([1]);
        Assert.Equal(
            $"{FilePath}: two tensors are called 'a'.",
            Assert.Throws<DynConvException>(() => SafetensorsWriter.Write(FilePath, [new("a", other), new("a", other)])).Message);
        Assert.Throws<DynConvException>(() => SafetensorsWriter.Write(FilePath, [new("__metadata__", other)]));
        using var reader = new SafetensorsReader(FilePath);
        Assert.Equal(5f, reader.Read("a").Item());
        Assert.Equal(["x.safetensors"], _folder.Names);
    }

    [Fact]
    public void The_conformance_files_survive_being_written_again()
    {
        foreach (string source in Directory.EnumerateFiles(GoldenFolder(), "*.safetensors", SearchOption.AllDirectories))
        {
            using var original = new SafetensorsReader(source);
            Dictionary<string, Tensor> tensors = original.Entries.Keys.ToDictionary(name => name, name => original.Read(name));
            SafetensorsWriter.Write(FilePath, tensors, original.Metadata);
            using var copy = new SafetensorsReader(FilePath);
            Assert.Equal(original.Metadata, copy.Metadata);
            Assert.Equal(original.Entries.Keys.Order(), copy.Entries.Keys.Order());
            foreach ((string name, Tensor tensor) in tensors)
            {
                Assert.Equal(tensor.Shape, copy.Entries[name].Shape);
                Assert.True(SameElements(tensor, copy.Read(name)), $"{source}: {name}");
            }
        }
    }

    private static bool SameElements(Tensor left, Tensor right) => left.DType == DType.Int32
        ? left.ToArray<int>().AsSpan().SequenceEqual(right.ToArray<int>())
        : left.ToArray<float>().AsSpan().SequenceEqual(right.ToArray<float>());

    private static string GoldenFolder()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "DynConv.slnx")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder.FullName, "tests", "golden");
    }
}
