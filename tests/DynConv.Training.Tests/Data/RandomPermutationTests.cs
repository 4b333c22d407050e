using DynConv.Training.Data;
using FsCheck;
using FsCheck.Fluent;

namespace DynConv.Training.Tests.Data;

public sealed class RandomPermutationTests
{
    [Fact]
    public void Every_number_comes_exactly_once()
    {
        Prop.ForAll(Gen.Choose(1, 3000).ToArbitrary(), ArbMap.Default.ArbFor<ulong>(), (count, key) =>
        {
            var permutation = new RandomPermutation(count, key);
            return Enumerable.Range(0, count).Select(i => permutation[i]).Order().SequenceEqual(Enumerable.Range(0, count).Select(i => (long)i));
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData((1L << 62) - 1)]
    [InlineData(1L << 40)]
    [InlineData((1L << 40) + 1)]
    public void Large_ranges_are_reached_everywhere_and_left_nowhere(long count)
    {
        var permutation = new RandomPermutation(count, 9);
        long[] values = [.. Enumerable.Range(0, 4000).Select(i => permutation[i])];
        Assert.Equal(values.Length, values.Distinct().Count());
        Assert.All(values, value => Assert.InRange(value, 0, count - 1));

        // The mean of 4000 uniform numbers has a standard deviation of count / sqrt(12 * 4000); this is five of them.
        Assert.InRange(values.Average(value => (double)value / count), 0.5 - 0.023, 0.5 + 0.023);
    }

    [Fact]
    public void Other_keys_give_other_orders()
    {
        long[] Order(ulong key)
        {
            var permutation = new RandomPermutation(1000, key);
            return [.. Enumerable.Range(0, 1000).Select(i => permutation[i])];
        }

        // Two independent orders agree in one place on average.
        Assert.InRange(Order(1).Zip(Order(2)).Count(pair => pair.First == pair.Second), 0, 10);
        Assert.InRange(Order(1).Index().Count(pair => pair.Item == pair.Index), 0, 10);
    }

    [Fact]
    public void Places_outside_the_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new RandomPermutation(5, 1)[5]);
        Assert.Throws<ArgumentOutOfRangeException>(() => new RandomPermutation(5, 1)[-1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => new RandomPermutation(0, 1));
    }
}
