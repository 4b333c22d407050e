using System.Runtime.InteropServices;
using DynConv.Serialization;

namespace DynConv.Tests.Serialization;

public sealed class SafetensorsReaderTests : IDisposable
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
    public void Every_floating_point_type_is_read_as_float32()
    {
        float[] values = [1.5f, -0.25f, 30000f, float.NegativeInfinity];
        Assert.Equal(values, ReadOne<float>("F32", "[4]", AsBytes(values)));
        Assert.Equal(values, ReadOne<float>("F64", "[2,2]", AsBytes([.. values.Select(v => (double)v)])));
        Assert.Equal(values, ReadOne<float>("F16", "[4]", AsBytes(values, v => (Half)v)));
        Assert.Equal([1.5f, -2f], ReadOne<float>("BF16", "[2]", [0xC0, 0x3F, 0x00, 0xC0]));
    }

    [Fact]
    public void Every_whole_number_type_is_read_as_int32()
    {
        Assert.Equal([1, 0], ReadOne<int>("BOOL", "[2]", [1, 0]));
        Assert.Equal([200, 3], ReadOne<int>("U8", "[2]", [200, 3]));
        Assert.Equal([-56, 3], ReadOne<int>("I8", "[2]", [200, 3]));
        Assert.Equal([-2], ReadOne<int>("I16", "[1]", AsBytes<short>([-2])));
        Assert.Equal([65534], ReadOne<int>("U16", "[]", AsBytes<ushort>([65534])));
        Assert.Equal([int.MinValue, 7], ReadOne<int>("I32", "[2]", AsBytes([int.MinValue, 7])));
        Assert.Equal([7], ReadOne<int>("U32", "[1]", AsBytes<uint>([7])));
        Assert.Equal([int.MinValue, int.MaxValue], ReadOne<int>("I64", "[2]", AsBytes<long>([int.MinValue, int.MaxValue])));
        Assert.Equal([9], ReadOne<int>("U64", "[1]", AsBytes<ulong>([9])));
    }

    [Theory]
    [InlineData(2147483648L)]
    [InlineData(-2147483649L)]
    public void A_whole_number_outside_int32_is_refused(long value)
    {
        RawSafetensors.Write(FilePath, $"{{{RawSafetensors.Entry("ids", "I64", "[1]", 0, 8)}}}", AsBytes([value]));
        using var reader = new SafetensorsReader(FilePath);
        Assert.Equal(
            $"{FilePath}: tensor 'ids' holds {value}, which does not fit int32.",
            Assert.Throws<DynConvException>(() => reader.Read("ids")).Message);
    }

    [Fact]
    public void Tensors_are_read_into_row_slices_and_column_slices_of_a_larger_one()
    {
        // Larger than a block, so that the walk over blocks meets slices in both dimensions.
        const int Rows = 300;
        const int Columns = 700;
        float[] values = [.. Enumerable.Range(0, Rows * Columns).Select(i => (float)i)];
        SafetensorsWriter.Write(FilePath, [new("w", Tensor.From(values, [Rows, Columns]))]);
        using var reader = new SafetensorsReader(FilePath);
        Tensor fused = Tensor.Zeros([Rows + 2, Columns]);
        reader.ReadInto("w", fused.Slice(0, 1, Rows));
        Assert.Equal([.. new float[Columns], .. values, .. new float[Columns]], fused.ToArray<float>());

        Tensor beside = Tensor.Zeros([Rows, Columns + 3]);
        reader.ReadInto("w", beside.Slice(1, 2, Columns));
        Assert.Equal(values, beside.Slice(1, 2, Columns).ToArray<float>());
        Assert.Equal(0f, beside.Slice(1, 0, 2).ToArray<float>().Max());
        Assert.Equal(0f, beside.Slice(1, Columns + 2, 1).ToArray<float>().Max());
    }

    [Fact]
    public void Reading_into_bfloat16_rounds_to_nearest()
    {
        SafetensorsWriter.Write(FilePath, [new("w", Tensor.From([1f + (1f / 256), 1f + (3f / 256)], [2]))]);
        using var reader = new SafetensorsReader(FilePath);
        Tensor rounded = Tensor.Empty([2], DType.BFloat16);
        reader.ReadInto("w", rounded);
        Assert.Equal([1f, 1f + (1f / 64)], rounded.ToArray<BFloat16>().Select(v => (float)v));
    }

    [Fact]
    public void A_destination_of_another_shape_or_dtype_is_refused()
    {
        SafetensorsWriter.Write(FilePath, [new("w", Tensor.Zeros([2, 3]))]);
        using var reader = new SafetensorsReader(FilePath);
        Assert.Equal(
            $"{FilePath}: tensor 'w' has shape [2, 3], but [3, 2] is needed.",
            Assert.Throws<DynConvException>(() => reader.ReadInto("w", Tensor.Zeros([3, 2]))).Message);
        Assert.Equal(
            $"{FilePath}: tensor 'w' holds F32, which does not fit int32.",
            Assert.Throws<DynConvException>(() => reader.ReadInto("w", Tensor.Zeros([2, 3], DType.Int32))).Message);
        Assert.Equal($"{FilePath} has no tensor 'v'.", Assert.Throws<DynConvException>(() => reader.Read("v")).Message);
    }

    [Fact]
    public void Empty_tensors_and_scalars_are_read()
    {
        string header = $"{{{RawSafetensors.Entry("none", "F32", "[0,5]", 0, 0)},{RawSafetensors.Entry("one", "F32", "[]", 0, 4)}}}";
        RawSafetensors.Write(FilePath, header, AsBytes([2.5f]));
        using var reader = new SafetensorsReader(FilePath);
        Assert.Equal([0L, 5L], reader.Read("none").Shape);
        Assert.Equal(2.5f, reader.Read("one").Item());
    }

    [Fact]
    public void An_eight_bit_float_is_listed_and_not_read()
    {
        RawSafetensors.Write(FilePath, $"{{{RawSafetensors.Entry("w", "F8_E4M3", "[1]", 0, 1)}}}", [0]);
        using var reader = new SafetensorsReader(FilePath);
        Assert.Equal(SafetensorsType.F8E4M3, reader.Entries["w"].Type);
        Assert.Contains("tensor 'w' holds F8_E4M3", Assert.Throws<DynConvException>(() => reader.Read("w")).Message);
    }

    [Theory]
    [InlineData("[1,2]", "is not a JSON object")]
    [InlineData("{\"a\":", "is not JSON")]
    [InlineData("{\"a\":1}", "tensor 'a' does not have exactly dtype, shape and data_offsets")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", "tensor 'a' does not have exactly")]
    [InlineData("{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", "tensor 'a' has the unknown dtype \"F31\"")]
    [InlineData("{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", "tensor 'a' has the unknown dtype 7")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "has -1 in its shape")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", "has 1.5 in its shape")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", "has a shape that is not an array")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", "has data_offsets [4, 0]")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", "has data_offsets [0, 4, 8]")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "takes 4 bytes, but F32 [2] needs 8")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", "more elements than any file holds")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "ends at byte 8 of the data, but the file holds only 4: it is truncated")]
    [InlineData("{}", "holds 4 bytes that belong to no tensor")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", "after a gap")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[3,4]}}", "tensor 'b' begins at byte 3 of the data, inside another tensor")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", "tensor 'a' is in the header twice")]
    [InlineData("{\"__metadata__\":[]}", "__metadata__ is not a JSON object")]
    [InlineData("{\"__metadata__\":{\"k\":1}}", "'k' in __metadata__ is not a string")]
    [InlineData("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "'k' is in __metadata__ twice")]
    [InlineData("{\"\\ud800\":{}}", "not valid Unicode")]
    public void A_header_that_does_not_describe_the_file_is_refused(string header, string expected)
    {
        RawSafetensors.Write(FilePath, header, new byte[4]);
        string message = Assert.Throws<DynConvException>(() => new SafetensorsReader(FilePath)).Message;
        Assert.StartsWith(FilePath, message);
        Assert.Contains(expected, message);
        Assert.DoesNotContain('\n', message);
    }

    [Theory]
    [InlineData(100_000_001UL, "more than the 100000000 allowed")]
    [InlineData(ulong.MaxValue, "more than the 100000000 allowed")]
    [InlineData(90UL, "is truncated: its header takes 90 bytes, and only 3 follow")]
    public void A_header_length_that_cannot_be_is_refused(ulong length, string expected)
    {
        RawSafetensors.Write(FilePath, "{}", [0], length);
        Assert.Contains(expected, Assert.Throws<DynConvException>(() => new SafetensorsReader(FilePath)).Message);
    }

    [Fact]
    public void A_missing_file_a_folder_and_a_tiny_file_are_refused()
    {
        Assert.Equal($"There is no file {FilePath}.", Assert.Throws<DynConvException>(() => new SafetensorsReader(FilePath)).Message);
        Assert.Contains("cannot be read", Assert.Throws<DynConvException>(() => new SafetensorsReader(_folder.FullName)).Message);
        File.WriteAllBytes(FilePath, [1, 2, 3]);
        Assert.Contains("3 bytes are too few", Assert.Throws<DynConvException>(() => new SafetensorsReader(FilePath)).Message);
    }

    [Fact]
    public void Every_truncation_of_a_file_is_refused()
    {
        SafetensorsWriter.Write(FilePath, [new("a", Tensor.Zeros([3])), new("b", Tensor.Zeros([2]))]);
        byte[] whole = File.ReadAllBytes(FilePath);
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(FilePath, whole[..length]);
            Assert.Throws<DynConvException>(() => new SafetensorsReader(FilePath));
        }
    }

    [Fact]
    public void A_refused_file_is_closed()
    {
        RawSafetensors.Write(FilePath, "{", []);
        Assert.Throws<DynConvException>(() => new SafetensorsReader(FilePath));
        using FileStream exclusive = new(FilePath, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.True(exclusive.CanWrite);
    }

    [Fact]
    public void A_tensor_beyond_two_gigabytes_is_found()
    {
        // The file is sparse: its hole takes no disk.
        const long Hole = 5L << 30;
        string header = $"{{{RawSafetensors.Entry("hole", "U8", $"[{Hole}]", 0, Hole)},{RawSafetensors.Entry("x", "F32", "[1]", Hole, Hole + 4)}}}";
        RawSafetensors.Write(FilePath, header, []);
        using (FileStream file = File.OpenWrite(FilePath))
        {
            file.Position = file.Length + Hole;
            file.Write(AsBytes([42f]));
        }

        using var reader = new SafetensorsReader(FilePath);
        Assert.Equal(42f, reader.Read("x").Item());
    }

    private T[] ReadOne<T>(string dtype, string shape, byte[] data)
        where T : unmanaged
    {
        RawSafetensors.Write(FilePath, $"{{{RawSafetensors.Entry("x", dtype, shape, 0, data.Length)}}}", data);
        using var reader = new SafetensorsReader(FilePath);
        return reader.Read("x").ToArray<T>();
    }

    private static byte[] AsBytes<T>(T[] values)
        where T : unmanaged => MemoryMarshal.AsBytes<T>(values).ToArray();

    private static byte[] AsBytes<T>(float[] values, Func<float, T> convert)
        where T : unmanaged => AsBytes<T>([.. values.Select(convert)]);
}
