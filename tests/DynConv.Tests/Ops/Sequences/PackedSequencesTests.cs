using DynConv.Ops;

namespace DynConv.Tests.Ops.Sequences;

[Trait("Uses", "compiler")]
public sealed class PackedSequencesTests
{
    private const int MostShort = 15;

    public static TheoryData<string> Devices => [.. TestDevices.Float32Names];

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Kernels_find_each_token_in_its_sequence(string device)
    {
        foreach (long[] bounds in new long[][] { [0], [0, 0], [0, 1], [0, 0, 3, 3, 3, 20, 21, 21], [0, 700, 701, 1031] })
        {
            int tokens = (int)bounds[^1];
            int[] starts = [.. Enumerable.Range(0, tokens).Select(t => (int)bounds.Last(bound => bound <= t))];
            int[] ends = [.. Enumerable.Range(0, tokens).Select(t => (int)bounds.First(bound => bound > t))];
            int[] positions = [.. starts.Select((start, t) => t - start)];
            using var packed = new PackedSequences(bounds);
            PackedPlaces places = packed.On(TestDevices.Get(device));
            Assert.Equal([.. starts, .. ends], places.TokenBounds.ToArray<int>());
            Assert.Equal(positions, places.Positions.ToArray<int>());
            Assert.Equal(positions.Select(position => (byte)Math.Min(position, MostShort)), Bytes(places.ShortPositions).Take(tokens));
            Assert.Equal(bounds.SelectMany(BitConverter.GetBytes), Bytes(places.Bounds));
        }
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void What_kernels_read_is_made_once_and_given_back(string deviceName)
    {
        Device device = TestDevices.Get(deviceName);
        long before = device.Memory.LiveBuffers;
        var packed = new PackedSequences([0, 3, 8]);
        Assert.Equal(before, device.Memory.LiveBuffers);
        PackedPlaces places;
        using (new TensorScope())
        {
            places = packed.On(device);
        }

        Assert.Same(places, packed.On(device));
        Assert.Equal([0, 1, 2, 0, 1, 2, 3, 4], places.Positions.ToArray<int>());
        packed.Dispose();
        Assert.Equal(before, device.Memory.LiveBuffers);
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Work_that_only_prepares_leaves_nothing_undefined(string deviceName)
    {
        Device device = TestDevices.Get(deviceName);
        using var packed = new PackedSequences([0, 3, 8]);
        device.Prepare(() => packed.On(device));
        Assert.Equal([0, 1, 2, 0, 1, 2, 3, 4], packed.On(device).Positions.ToArray<int>());
    }

    [Fact]
    public void The_longest_sequence_is_known()
    {
        Assert.Equal(0, new PackedSequences([0]).Longest);
        Assert.Equal(0, new PackedSequences([0, 0]).Longest);
        Assert.Equal(17, new PackedSequences([0, 0, 3, 20, 21]).Longest);
    }

    [Fact]
    public void Bounds_that_are_none_are_refused()
    {
        Assert.Equal(
            "cuSeqlens has to start with 0. (Parameter 'cuSeqlens')", Assert.Throws<ArgumentException>(() => new PackedSequences([])).Message);
        Assert.Equal(
            "cuSeqlens has to start with 0. (Parameter 'cuSeqlens')", Assert.Throws<ArgumentException>(() => new PackedSequences([1, 2])).Message);
        Assert.Equal(
            "cuSeqlens falls from 4 to 3 at 2. (Parameter 'cuSeqlens')",
            Assert.Throws<ArgumentException>(() => new PackedSequences([0, 4, 3])).Message);
    }

    private static IEnumerable<byte> Bytes(Tensor words) => words.ToArray<int>().SelectMany(BitConverter.GetBytes);
}
