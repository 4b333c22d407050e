namespace DynConv.Tests.Tensors;

[Trait("Uses", "compiler")]
public sealed class MemoryPoolTests
{
    public static TheoryData<string> Devices => [.. TestDevices.Float32Names];

    [Fact]
    public void Sizes_that_never_come_again_are_not_kept_for_ever()
    {
        var pool = new CpuMemoryPool { Poison = false };
        var random = new Random(1);
        long highestReserved = 0;
        for (int i = 0; i < 1000; i++)
        {
            var buffers = new List<(nint Address, long Bytes)>();
            for (int k = random.Next(1, 4); k > 0; k--)
            {
                buffers.Add((pool.Rent(random.NextInt64(1, 1 << 28), out long rented), rented));
            }

            highestReserved = Math.Max(highestReserved, pool.ReservedBytes);
            buffers.ForEach(buffer => pool.Return(buffer.Address, buffer.Bytes));
        }

        Assert.True(
            highestReserved <= (2 * pool.PeakLiveBytes) + MemoryPool.AlwaysKept, $"{highestReserved:N0} with a peak of {pool.PeakLiveBytes:N0}");
        pool.Trim();
        Assert.Equal((0, 0), (pool.ReservedBytes, pool.LiveBytes));
    }

    [Fact]
    public void A_buffer_of_the_same_size_class_comes_back()
    {
        var pool = new CpuMemoryPool { Poison = false };
        nint first = pool.Rent(100_000, out long rented);
        pool.Return(first, rented);
        Assert.Equal(first, pool.Rent(99_000, out long again));
        Assert.Equal(rented, again);
        pool.Return(first, again);
        pool.Trim();
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Out_of_memory_is_one_line_with_the_sizes_and_no_end(string name)
    {
        Device device = TestDevices.Get(name);
        using Tensor kept = Tensor.From([1f, 2f], [2], device);
        long live = device.Memory.LiveBuffers;
        long reserved = device.Memory.LiveBytes;
        DynConvException exception = Assert.Throws<DynConvException>(() => Tensor.Empty([1L << 48], DType.Float32, device));
        Assert.StartsWith($"Out of memory: {1L << 50:N0} bytes asked for, {reserved:N0} in use in {live:N0} buffers", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
        Assert.Equal(live, device.Memory.LiveBuffers);
        using Tensor next = Tensor.From([3f], [1], device);
        Assert.Equal([1f, 2f, 3f], [.. kept.ToArray<float>(), .. next.ToArray<float>()]);
    }
}
