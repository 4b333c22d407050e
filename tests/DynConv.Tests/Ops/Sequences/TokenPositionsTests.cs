using DynConv.Ops;

namespace DynConv.Tests.Ops.Sequences;

[Trait("Uses", "compiler")]
public sealed class TokenPositionsTests
{
    public static TheoryData<string> Devices => [.. TestDevices.Float32Names];

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Sequences_side_by_side_count_from_where_each_begins(string deviceName)
    {
        Device device = TestDevices.Get(deviceName);
        long before = device.Memory.LiveBuffers;
        using (var positions = new TokenPositions([7, 0, 2], tokens: 3))
        {
            Assert.Equal((3, 3, 10, null), (positions.Batch, positions.Tokens, positions.End, positions.Common));
            Assert.Null(positions.Packed);
            Assert.Equal([7, 8, 9, 0, 1, 2, 2, 3, 4], positions.On(device).ToArray<int>());
            Assert.Same(positions.On(device), positions.On(device));
        }

        Assert.Equal(before, device.Memory.LiveBuffers);
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Packed_sequences_each_count_from_0_and_stay_the_callers(string deviceName)
    {
        Device device = TestDevices.Get(deviceName);
        using var packed = new PackedSequences([0, 2, 2, 5]);
        using (var positions = new TokenPositions(packed))
        {
            Assert.Equal((1, 5, 3, null), (positions.Batch, positions.Tokens, positions.End, positions.Common));
            Assert.Same(packed, positions.Packed);
            Assert.Equal([0, 1, 0, 1, 2], positions.On(device).ToArray<int>());
        }

        Assert.Equal([0, 1, 0, 1, 2], packed.On(device).Positions.ToArray<int>());
    }

    [Fact]
    public void One_beginning_for_all_is_known()
    {
        Assert.Equal(4, new TokenPositions([4, 4], 3).Common);
        Assert.Equal(7, new TokenPositions([4, 4], 3).End);
        Assert.Null(new TokenPositions([], 3).Common);
        Assert.Equal(0, new TokenPositions([], 3).End);
        Assert.Equal(0, new TokenPositions([4, 5], 0).End);
    }

    [Fact]
    public void Numbers_below_0_are_refused()
    {
        Assert.Equal("tokens", Assert.Throws<ArgumentOutOfRangeException>(() => new TokenPositions([0], -1)).ParamName);
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => new TokenPositions([3, -2], 1));
        Assert.StartsWith("Positions begin with 0. (Parameter 'first')", error.Message, StringComparison.Ordinal);
    }
}
