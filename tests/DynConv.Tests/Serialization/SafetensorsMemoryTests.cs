using DynConv.Serialization;

namespace DynConv.Tests.Serialization;

/// <summary>Counts the buffers of the process, and so runs while no other test does.</summary>
[CollectionDefinition(nameof(SafetensorsMemoryTests), DisableParallelization = true)]
[Collection(nameof(SafetensorsMemoryTests))]
public sealed class SafetensorsMemoryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string FilePath => _folder["x.safetensors"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_large_strided_tensor_is_written_and_read_without_another_copy_of_it()
    {
        using var scope = new TensorScope();
        Tensor half = Tensor.Zeros([4096, 1024]).Slice(1, 0, 512);
        long live = Device.Cpu.Memory.LiveBytes;
        Device.Cpu.Memory.ResetPeak();
        SafetensorsWriter.Write(FilePath, [new("w", half)]);
        using var reader = new SafetensorsReader(FilePath);
        reader.ReadInto("w", half);
        Assert.InRange(Device.Cpu.Memory.PeakLiveBytes - live, 0, 1 << 20);
        Assert.Equal(live, Device.Cpu.Memory.LiveBytes);
    }

    [Fact]
    public void A_failed_read_leaves_no_memory_behind()
    {
        RawSafetensors.Write(FilePath, $"{{{RawSafetensors.Entry("ids", "U64", "[1]", 0, 8)}}}", [1, 2, 3, 4, 5, 6, 7, 8]);
        long before = Device.Cpu.Memory.LiveBuffers;
        using var reader = new SafetensorsReader(FilePath);
        Assert.Throws<DynConvException>(() => reader.Read("ids"));
        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }
}
